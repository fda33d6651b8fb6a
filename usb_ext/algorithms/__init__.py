"""Algorithms: one weak/strong step, bases and extensions on it, and the names they go by."""
