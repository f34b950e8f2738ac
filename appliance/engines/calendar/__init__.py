"""The calendar engine: who holds which room-night."""
