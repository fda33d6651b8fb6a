"""Patches for USB: their sources, the series made of them for a base, and git."""
