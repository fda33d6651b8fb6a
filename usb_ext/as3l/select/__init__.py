"""as3l/select."""
