"""Migration steps in order."""
