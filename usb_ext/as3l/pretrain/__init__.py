"""Self-supervised pre-training: SimSiam, SimCLR, BYOL (AS3L, Sec. 5.1.2).

`stage.py` is what the command calls, `build.py` puts network and method together, `loop.py` trains and
resumes, `batches.py` serves the views, `watch.py` judges features by neighbours, `made.py` keeps what is
left.
"""
