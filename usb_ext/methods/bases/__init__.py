"""methods/bases."""
