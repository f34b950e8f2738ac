"""Guesty: reservations found by search, read by id, desk acts pushed by natural key."""
