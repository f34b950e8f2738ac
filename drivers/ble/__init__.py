"""Bluetooth Low Energy: NPK locks, BTHome sensors and eQ-3 thermostats on bleak."""
