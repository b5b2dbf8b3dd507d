"""Market data in: providers of bars."""
