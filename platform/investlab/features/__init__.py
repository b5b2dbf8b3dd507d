"""Features from price panels, the same code offline and online; pure."""
