"""The mathematics of the four papers: pure functions on tensors, one idea a file.

Nothing here knows USB, files or global random state; every formula has an oracle in the tests.
"""
