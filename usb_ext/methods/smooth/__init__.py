"""methods/smooth."""
