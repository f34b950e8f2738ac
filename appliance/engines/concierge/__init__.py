"""The concierge engine: what guests ask for."""
