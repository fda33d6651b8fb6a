"""One run, from settings to a folder: compose the class, warm up, train, report.

`train.py` is the order of it, `compose.py` decides which classes a run is made of, `warm_up.py` what happens
before the first step, `report.py` what is left after the last, `load.py` opens a finished run again.
"""
