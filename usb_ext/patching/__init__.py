"""Patches for USB from our own source: what is taken, how it is put together, and git."""
