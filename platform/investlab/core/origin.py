"""Who ships a module: Python, investlab, an installed distribution, or nobody (a notebook, a file beside it)."""

import functools
import sys
from importlib.metadata import packages_distributions, version
from pathlib import PurePath

_MAIN = ("__main__", "__mp_main__")
_INSTALLED = {"site-packages", "dist-packages"}


def origin_of(module: object) -> str | None:
    """Return `python 3.12`, `investlab`, or a distribution's name and version; None when code counts by value.

    An editable install counts by value as well: its version says nothing about its source.
    """
    if not isinstance(module, str) or module in _MAIN:
        return None
    top = module.partition(".")[0]
    if top == "investlab":
        return top
    loaded = sys.modules.get(top)
    places = [getattr(loaded, "__file__", None) or "", *map(str, getattr(loaded, "__path__", ()))]
    installed = any(_INSTALLED & set(PurePath(place).parts) for place in places)
    if top in sys.stdlib_module_names and not installed:
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    return _distributions(top) if installed or loaded is None else None


@functools.cache
def _packages() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in packages_distributions().items()}


def _distributions(top: str) -> str | None:
    names = _packages().get(top)
    return ", ".join(f"{name} {version(name)}" for name in names) if names else None
