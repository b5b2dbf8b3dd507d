"""What the platform logs, for tests: `caplog` hears it whether or not a workspace of the process set up logging."""

import logging

import pytest


def hear(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, level: int = logging.WARNING) -> None:
    """Let `caplog` hear the platform's logger, at a level and above, until the test ends."""
    logger = logging.getLogger("investlab")
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "level", level)
