"""The bases, one a file: rule and state, told by their difference from FixMatch (`step/base.py`).

With no extension each that USB has equals its algorithm of that name: loss and every gradient.
"""
