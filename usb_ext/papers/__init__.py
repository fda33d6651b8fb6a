"""The papers' published numbers, and our runs placed beside them: tables, curves and studies.

`published/` holds a CSV a table and the tables' protocols, `tables.py` reads them; `found_runs.py` finds run
folders, `names.py` and `ablations.py` say what a row asks for, `protocol.py` what a run breaks and in what it
differs, `placing.py` which cell it stands in, `grid.py` prints; `curves.py` draws accuracy over steps.
`studies.py` is the table of the ablations that are a command each; `prior_studies.py` and
`feature_studies.py` make AS3L's, `smooth_studies.py` Smooth Pseudo-Labeling's by `run_studies.py`.
"""
