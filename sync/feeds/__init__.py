"""Calendar feeds of booking channels: read, judged, and brought home."""
