"""Repositories over the database, the market store and the panel cache."""
