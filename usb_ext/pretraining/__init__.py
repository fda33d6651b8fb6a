"""Self-supervised pre-training: methods, views, the loop and what it leaves (AS3L, Sec. 5.1.2)."""
