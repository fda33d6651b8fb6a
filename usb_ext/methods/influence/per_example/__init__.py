"""methods/influence/per_example."""
