"""The identity engine: people, staff, sessions and who may do what."""
