"""The climate engine: thermostats, leaks and eco rules."""
