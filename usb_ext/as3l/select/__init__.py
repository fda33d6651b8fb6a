"""Which images to label, in one shot and without labels (AS3L, Sec. 4.4), and the rivals of Tables 7 and 8.

`strategies.py` names them all, `stage.py` is what the command calls.
"""
