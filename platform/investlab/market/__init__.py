"""Calendars, corporate actions, quality checks and the price panel (pure)."""
