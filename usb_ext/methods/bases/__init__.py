"""The bases, one a file: rule and state, told by their difference from FixMatch (`step/base.py`).

With no extension each equals USB's algorithm of its name: loss and every gradient.
"""
