"""The stays engine: the life of a reservation."""
