"""Bluetooth without Bluetooth: a virtual air, its controllers, and the things that live in it."""
