"""The seam between the box and things: words, client, requests, and the broker behind our door."""
