"""Keeps vector knowledge bases in step with SQL tables."""

__version__ = "0.1.0"
