"""The engine: what runs a registered algorithm, ours or USB's, on any device and resumably."""
