"""The housekeeping engine: whether a room is ready."""
