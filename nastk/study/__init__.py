"""The search itself: a study, the loop that fills it, and its pruners."""
