"""A class of a notebook as the text of a module: its source, and that of everything it reaches."""

import builtins
import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from investlab.core.definitions import Definition, definition_of, is_plain
from investlab.core.origin import origin_of


@dataclass(frozen=True, slots=True)
class WrittenModule:
    """Imports, constants and definitions in an order that can be executed; `unresolved` says what is missing."""

    imports: tuple[str, ...]
    constants: tuple[str, ...]
    definitions: tuple[str, ...]
    unresolved: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the module's text."""
        standard = [line for line in self.imports if _is_standard(line)]
        others = [line for line in self.imports if not _is_standard(line)]
        blocks = ["\n".join(part) for part in (standard, others, self.constants) if part]
        return "\n\n\n".join(["\n\n".join(blocks), *(text.rstrip() for text in self.definitions)]).strip() + "\n"


def write_module(value: type) -> WrittenModule:
    """Return the source of a class with the imports, constants, functions and classes that it reaches."""
    writing = _Writing()
    writing.resolve(value.__name__, value)
    ordered = sorted(writing.imports, key=lambda line: (not _is_standard(line), line.split()[1], line))
    return WrittenModule(
        tuple(ordered), tuple(writing.constants.values()), tuple(writing.definitions), tuple(writing.unresolved)
    )


@dataclass(slots=True)
class _Writing:
    imports: set[str] = field(default_factory=set)
    constants: dict[str, str] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    known: dict[str, object] = field(default_factory=dict)

    def resolve(self, name: str, value: object) -> None:
        """Add what makes `name` mean `value`."""
        if name in self.known:
            if self.known[name] is not value:
                self.unresolved.append(f"{name} means two different things")
            return
        self.known[name] = value
        if isinstance(value, ModuleType):
            self._add_module(name, value)
        elif (line := _import_of(name, value)) is not None:
            self.imports.add(line)
        elif is_plain(value):
            self.constants[name] = f"{name} = {value!r}"
        elif (definition := definition_of(name, value)) is not None:
            self._define(definition)
        else:
            self.unresolved.append(f"{name} is {_described(value)}")

    def _define(self, definition: Definition) -> None:
        for name in definition.reads:
            built_in = getattr(builtins, name, None)
            value = definition.namespace.get(name, built_in)
            if value is built_in:
                if not hasattr(builtins, name):
                    self.unresolved.append(f"{name} is not defined")
                continue
            self.resolve(name, value)
            if isinstance(value, ModuleType):
                self._add_parts(name, value, definition)
        self.definitions.append(definition.text)

    def _add_module(self, name: str, module: ModuleType) -> None:
        if origin_of(module.__name__) is None:
            self.unresolved.append(f"{name} is the module {module.__name__}, which no installed package ships")
            return
        whole = module.__name__
        self.imports.add(f"import {whole}" if whole == name else f"import {whole} as {name}")

    def _add_parts(self, name: str, module: ModuleType, definition: Definition) -> None:
        """Import the modules inside a module that are read as its attributes, as in `scipy.stats.norm`."""
        if module.__name__ != name:
            return
        for dotted in definition.attributes(name):
            parts = dotted.split(".")
            inside = [".".join(parts[:count]) for count in range(2, len(parts) + 1)]
            self.imports |= {f"import {path}" for path in inside if path in sys.modules}


def _import_of(name: str, value: Any) -> str | None:
    """Return the line that imports a class, function or other named thing of a module that somebody ships."""
    module = getattr(value, "__module__", None) or type(value).__module__
    if not isinstance(module, str) or origin_of(module) is None:
        return None
    places = [(module, attribute) for attribute in _called(value, name)]
    public = module.partition(".")[0]
    for place, attribute in [(public, attribute) for _, attribute in places] + places:
        if place != "builtins" and getattr(sys.modules.get(place), attribute, None) is value:
            return f"from {place} import {attribute}" + ("" if attribute == name else f" as {name}")
    return None


def _called(value: object, name: str) -> list[str]:
    own = (getattr(value, each, None) for each in ("__qualname__", "__name__", "_name"))
    return list(dict.fromkeys([*(each for each in own if isinstance(each, str) and each.isidentifier()), name]))


def _is_standard(line: str) -> bool:
    return line.split()[1].partition(".")[0] in sys.stdlib_module_names


def _described(value: object) -> str:
    kind = type(value)
    article = "an" if kind.__name__[0] in "AEIOUaeiou" else "a"
    local = "<locals>" in str(getattr(value, "__qualname__", ""))
    where = "made inside a function" if local else "whose source cannot be found"
    return f"{article} {kind.__name__} {where}"
