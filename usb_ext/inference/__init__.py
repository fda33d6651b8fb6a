"""What a network says of images: from files, Pillow's images, arrays or points to class probabilities.

`inputs.py` prepares one example each as evaluation did, `predict.py` takes them through the network in
batches. Neither knows of runs: a network, a preprocessing and the names of the classes are enough.
"""
