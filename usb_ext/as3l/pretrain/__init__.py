"""as3l/pretrain."""
