"""Things and bridges that are spoken to over HTTP on the property's own network."""
