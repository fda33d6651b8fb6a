"""as3l/clustering."""
