"""Tries to break syncd on this machine: a table that changes, kills at every step, and a comparison."""
