"""The rules engine: live settings as logged facts."""
