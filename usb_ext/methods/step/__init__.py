"""The step that every base and every extension shares, and the seams it offers them.

`step.py` owns the order forward, weak, weights, targets, losses, logs. `base.py` says what a base decides,
`extension.py` what an extension may change, `running.py` what both find in a running algorithm, `views.py`
runs the network, `head_tap.py` sees what enters its classification layer.
"""
