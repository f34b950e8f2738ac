"""A window of real bookings lived through on virtual time, and compared with two oracles."""
