"""Runs that were made, read back from their folders, and set beside each other and the papers."""
