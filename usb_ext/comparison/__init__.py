"""Comparing methods over folds: what is to be run, what has been, and what may be said about it."""
