"""as3l/propagate."""
