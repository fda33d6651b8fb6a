"""The papers' published numbers, and our runs placed beside them: tables and curves.

`published/` holds a CSV a table, `tables.py` reads it; `found_runs.py` finds run folders, `placing.py`
decides which cell a run belongs to, `grid.py` prints; `curves.py` draws accuracy over steps.
"""
