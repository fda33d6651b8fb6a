"""The papers' published numbers, and our runs placed beside them: tables, curves and studies.

`published/` holds a CSV a table, `tables.py` reads it; `found_runs.py` finds run folders, `placing.py`
decides which cell a run belongs to, `grid.py` prints; `curves.py` draws accuracy over steps. `studies.py` is
the table of the ablations that are a command each; `prior_studies.py` and `feature_studies.py` make AS3L's.
"""
