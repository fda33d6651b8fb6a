"""What AS3L's stages read beside features: the images behind them, and labels that a person or a run gave."""
