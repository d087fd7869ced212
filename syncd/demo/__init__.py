"""A table of real text that every machine has: the documentation of Python's own standard library."""
