"""Use cases; workspace.py is the composition root."""
