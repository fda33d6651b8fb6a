"""Data sets, label splits and the loaders whose batches depend only on (seed, iteration)."""
