"""NPK 1, the protocol between a phone (or the box) and a lock, without I/O (docs/npk1.md)."""
