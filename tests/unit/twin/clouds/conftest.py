"""The fixtures of every test of the clouds."""

from support.clouds import clock, clouds, house, journal, line, payments, pms, session

__all__ = ["clock", "clouds", "house", "journal", "line", "payments", "pms", "session"]
