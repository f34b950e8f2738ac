"""The clouds on real sockets, for what only a socket shows."""

from support.clouds import clock, clouds, house, journal, line, payments, pms, session

__all__ = ["clock", "clouds", "house", "journal", "line", "payments", "pms", "session"]
