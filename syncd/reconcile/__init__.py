"""Compares a whole table with a knowledge base: sweeps, verifies, repairs, plans, and tells why."""
