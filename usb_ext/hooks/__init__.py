"""Hooks, one a file; each owns its state and says how it is saved and restored."""
