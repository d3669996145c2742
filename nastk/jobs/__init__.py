"""The steps from search to report as functions of a configuration; the entry points and the pipeline call them."""
