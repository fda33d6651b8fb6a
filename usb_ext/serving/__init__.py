"""A trained run in use: `usb-ext predict`, `evaluate` and `export`, each a function of a run's folder.

`places.py` finds images, `labelled.py` those with a class; `run_on_files.py` says what the run makes of
them, `scores.py` how good that is. Nothing here trains, and nothing in the run's folder is changed.
"""
