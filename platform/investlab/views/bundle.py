"""What a page weighs on the wire."""

from collections.abc import Mapping

KIB = 1024


def bundle_report(weights: Mapping[str, int]) -> str:
    """Return a table of addresses with their bytes as sent, heaviest first, and their sum."""
    rows = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"{size / KIB:8.1f} KiB  {address}" for address, size in rows]
    return "\n".join([*lines, f"{sum(weights.values()) / KIB:8.1f} KiB  in all"])
