"""Tries to break syncd on this machine: random changes of a real table, kills at every step, and a comparison after it."""
