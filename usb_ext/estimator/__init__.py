"""The methods as an estimator of scikit-learn's: `SemiSupervisedClassifier`, on features, images or files.

`classifier.py` is the estimator and owns what scikit-learn asks of one, `labels.py` says which examples have
a class, `examples.py` turns what is handed over into a data set, `recipe.py` the parameters into settings.
What trains is the engine's (`training/in_memory.py`); the estimator brings the data and keeps the network.
"""
