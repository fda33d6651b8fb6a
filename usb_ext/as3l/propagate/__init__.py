"""From a few labels to prior pseudo-labels of all images (AS3L, Sec. 4.3; LLGC to compare with).

`stage.py` is what the command calls; `report.py` measures accuracy and calibration where classes are known.
"""
