"""The direct Zigbee driver: zigpy in a process of its own, below a door that never fires twice.

zigpy, zigpy-znp and bellows are GPL-3.0. Nothing outside this package imports them, and nothing
here imports them before a property has such a stick.
"""
