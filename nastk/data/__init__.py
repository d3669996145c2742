"""Images of any source in one form: decoded, resized, split, normalised, stored."""
