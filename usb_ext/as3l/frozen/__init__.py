"""Views through a frozen network: `views.py` draws them, `made.py` says from what, `stage.py` keeps them.

What it leaves is the data set `features` (`data/feature_views.py`), and a features file for selection and
propagation.
"""
