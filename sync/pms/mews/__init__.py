"""Mews: reservations pulled by their change time, desk acts pushed by natural key."""
