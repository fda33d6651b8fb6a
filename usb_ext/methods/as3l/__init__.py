"""What AS3L adds to training (Wen et al.): prior pseudo-labels (Eq. 5) and a watch on neighbours (Fig. 2).

`prior.py` owns y_prior of a run's unlabelled examples, `consistency.py` how far labels agree in feature
space. How features, choices and priors are made is the room `as3l/` above the engine.
"""
