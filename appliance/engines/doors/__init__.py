"""The doors engine: keys, PINs and what happened at every door."""
