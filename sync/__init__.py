"""Store and forward between the box and the clouds, a process of its own."""
