"""The clusters of our devices, server side, one file a thing (ZCL8)."""
