"""Logging: one set-up for every process, text or JSON lines on standard error."""

import json
import logging
import sys

from investlab.core.config import Settings


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object in a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON with at, level, logger and message."""
        entry = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(settings: Settings) -> None:
    """Send the platform's log lines to standard error at the configured level; calling it again replaces the set-up."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else text)
    logger = logging.getLogger("investlab")
    logger.handlers[:] = [handler]
    logger.setLevel(settings.log_level)
    logger.propagate = False
