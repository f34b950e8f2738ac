"""Measurements: tables and JSON, side by side with a peer where there is one. Never asserted in unit tests."""
