"""methods/influence."""
