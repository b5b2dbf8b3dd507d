"""Whether a request came over TLS that a proxy in front of the server has taken off."""

from collections.abc import Collection

HTTPS = "https://"


def came_over_tls(origins: Collection[str], *, origin: str, host: str, forwarded: str) -> bool:
    """Say whether the browser speaks TLS to the proxy, by the headers Origin, Host and X-Forwarded-Proto.

    They count only where one of the stated `origins` (lower case) begins with `https://`: without a proxy of ours
    anybody could send them. What the proxy says decides over what the other two let one guess.
    """
    declared = [stated for stated in origins if stated.startswith(HTTPS)]
    if not declared:
        return False
    if forwarded:
        return forwarded.partition(",")[0].strip().lower() == "https"
    return origin.lower().startswith(HTTPS) or f"{HTTPS}{host.strip().lower()}" in declared
