"""The one authoritative database model."""
