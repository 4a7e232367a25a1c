"""Attempts counted and timed in bounded memory. No I/O."""
