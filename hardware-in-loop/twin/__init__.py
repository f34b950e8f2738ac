"""A simulated property: locks, thermostats, sensors, clouds and the line, with a journal."""
