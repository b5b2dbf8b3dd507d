"""The installed version of the platform."""

from importlib.metadata import version


def platform_version() -> str:
    """Return the version of the installed package, such as `0.1.0`."""
    return version("investlab")
