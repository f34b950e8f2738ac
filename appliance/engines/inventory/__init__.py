"""The inventory engine: what exists: property, rooms, doors, devices."""
