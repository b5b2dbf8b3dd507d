"""Strategies by name, whether an installed package or the home's `extensions` folder declares them."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from investlab.backtest.strategies import Strategy
from investlab.core.config import Settings
from investlab.core.errors import Conflict, NotFound
from investlab.core.extensions import GROUPS, STRATEGIES, extensions, load_extension
from investlab.core.home_extensions import FOLDER, HomeExtensions, load_home_strategy, read_home_extensions


@dataclass(frozen=True, slots=True)
class ExtensionRow:
    """An extension as lists show it: its source is a distribution, or a file of the home with its line."""

    group: str
    name: str
    target: str
    source: str
    problem: str = ""


def extensions_folder(settings: Settings) -> Path:
    """Return the folder of the home whose files declare strategies."""
    return settings.home_path / FOLDER


def home_extensions(settings: Settings) -> HomeExtensions:
    """Return what the files of the home's folder declare; nothing is executed."""
    return read_home_extensions(extensions_folder(settings))


def find_strategy(settings: Settings, name: str) -> type[Strategy]:
    """Return the strategy class of that name; a file of the home that declares it is executed.

    Raises:
        NotFound: Neither an installed package nor a file of the home declares it; near matches are named.
        Conflict: It is declared twice.
        InvalidInput: The file that declares it failed; its line is named.
    """
    held = home_extensions(settings)
    own = [each for each in held.strategies if each.name == name]
    installed = [each for each in extensions(STRATEGIES) if each.name == name]
    if own and installed:
        raise Conflict(
            f"The strategy name {name!r} is declared twice: {installed[0].target} and {own[0].source}.",
            remedy="Rename the one in the home's extensions folder.",
        )
    if own:
        return cast("type[Strategy]", load_home_strategy(extensions_folder(settings), name))
    if not installed:
        known = [*(each.name for each in extensions(STRATEGIES)), *(each.name for each in held.strategies)]
        broken = " ".join(each.sentence for each in held.broken)
        raise NotFound.named("strategy", name, known, remedy=broken)
    return cast("type[Strategy]", load_extension(STRATEGIES, name))


def list_extensions(settings: Settings, group: str | None = None) -> list[ExtensionRow]:
    """List the extensions of one group or all: the installed ones, then the home's, broken files last."""
    rows = [
        ExtensionRow(each.group, each.name, each.target, each.distribution)
        for one in GROUPS
        if group in (None, one)
        for each in extensions(one)
    ]
    if group not in (None, STRATEGIES):
        return rows
    held = home_extensions(settings)
    rows += [ExtensionRow(STRATEGIES, each.name, each.class_name, each.source) for each in held.strategies]
    rows += [
        ExtensionRow(STRATEGIES, "", "", f"{each.path}:{each.line}", f"cannot be read: {each.reason}")
        for each in held.broken
    ]
    return rows
