"""methods/step."""
