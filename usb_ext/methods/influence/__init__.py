"""Influence weighting (Ren et al., 2020): a weight an unlabelled example, learned on held-out images.

`hook.py` owns the table of weights and when it moves; `update.py` says by how much, from the passes over
the network in `passes.py`; `gradients.py` and `last_layer.py` are Eqs. 4 to 8, `weight_optimizer.py`
Algorithm 1's optimizer, `per_example/` the gradient of each example's loss. `weights_file.py` keeps the
table in a file, `report.py` and `boundary.py` draw it.
"""
