"""Webhooks: verified on raw bytes, stored, then acknowledged; each leaves as one plain event."""
