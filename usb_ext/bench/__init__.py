"""What `usb-ext bench` measures, and how: in turns, in one run, with USB's own loop beside ours.

`cases.py` builds what is timed, `stage.py` takes the turns; the others measure a part each. `estimators.py`
measures accuracies: SemiSupervisedClassifier beside scikit-learn's own semi-supervised classifiers.
"""
