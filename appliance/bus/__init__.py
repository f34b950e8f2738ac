"""The seam between the box and things: words, client, broker."""
