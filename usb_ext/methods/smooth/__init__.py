"""Smooth Pseudo-Labeling: a weight that rises from the threshold in place of 0 or 1 (Eqs. 13 to 23).

`weight.py` is the mathematics, `extension.py` the hook that owns nothing but options, and the extension.
"""
