"""The engine's hooks under the names that USB's algorithms replace or call, one purpose a file.

`update.py` checks the loss and steps the optimizer, `average.py` owns the averaged weights, `score.py`
evaluates and knows the best, `record.py` owns `metrics.jsonl` and what a person sees.
"""
