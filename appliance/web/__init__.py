"""What people reach over HTTP: the API, sessions, limits, pages."""
