"""The gradient of each example's loss for a whole network, from one backward pass (Ren et al., Sec. 3.2).

`gradients.py` is what to call, `layers.py` the product of each kind of layer.
"""
