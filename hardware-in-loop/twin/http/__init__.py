"""Bridges and things that are spoken to over HTTP, as their makers document them, faults included."""
