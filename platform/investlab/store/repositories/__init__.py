"""Repositories: one module for each aggregate; functions take a session and return schemas, never rows."""
