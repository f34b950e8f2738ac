"""Booking systems: each masters the bookings it sold."""
