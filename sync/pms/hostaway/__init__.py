"""Hostaway: reservations pulled newest change first, desk acts pushed by natural key."""
