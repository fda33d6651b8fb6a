"""The methods: one weak/strong step, bases and extensions on it, and the names they go by.

`step/` is the package's only `train_step` and what a base and an extension are; `bases/` one file a base;
`layermatch/`, `smooth/`, `influence/` and `as3l/` a paper's mathematics, hook and extension together.
`named.py` makes classes of what `settings/algorithms.py` declares.
"""
