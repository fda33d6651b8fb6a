"""From a folder of photographs to a model in use: `inspection.py` looks, `start.py` takes the steps in turn.

Each step is a command of its own (`features`, `select`, `label`, `train`, `report`), given here with the
settings of one file; what a step has made it is not made again.
"""
