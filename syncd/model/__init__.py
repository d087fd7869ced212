"""Pure values: no I/O, no clock, nothing of syncd but its errors."""
