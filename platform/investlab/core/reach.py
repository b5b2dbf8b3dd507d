"""What an object reaches by value, as one digest in canonical order."""

import copyreg
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, ClassVar

import numpy as np

from investlab.core.bytecode import Constant, flow, imports, names_in, reads, signature
from investlab.core.hashing import hash_arrays
from investlab.core.origin import origin_of

MOST_OBJECTS = 200_000
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), range)
_NO_BEHAVIOUR = frozenset(
    {
        "_abc_impl",
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__qualname__",
        "__slotnames__",  # what copyreg keeps of a class once an object of it was reduced
        "__static_attributes__",
        "__weakref__",
    }
)


class Reach:
    """Walks an object; `undetermined` names what could not be told, by the path that led to it."""

    def __init__(self) -> None:
        self.undetermined: list[str] = []
        self._known: dict[object, str] = {}
        self._open: dict[object, int] = {}
        self._kept: list[object] = []  # keeps ids unique while walking
        self._path: list[str] = []

    def digest(self, value: object, label: str = "") -> str:
        """Return the digest of a value; equal content gives equal digests in every process."""
        if type(value) in _ATOMS:
            return _hash(type(value).__name__, repr(value))
        return self._once(id(value), value, label, lambda: self._describe(value))

    def _once(self, key: object, value: object, label: str, describe: Callable[[], str]) -> str:
        """Describe each object once; one that is being described already is a reference so many levels up."""
        if key in self._known:
            return self._known[key]
        if key in self._open:
            return _hash("up", len(self._open) - self._open[key])
        if len(self._kept) >= MOST_OBJECTS:
            return self._unknown(f"more than {MOST_OBJECTS:,} objects")
        self._kept.append(value)
        self._open[key] = len(self._open)
        self._path.append(label or _name(value))
        try:
            self._known[key] = describe()
        except RecursionError:
            self._known[key] = self._unknown("nested too deeply")
        finally:
            self._path.pop()
            del self._open[key]
        return self._known[key]

    def _unknown(self, reason: str) -> str:
        self.undetermined.append(f"{' → '.join(self._path)}: {reason}")
        return _hash("undetermined")

    def _describe(self, value: Any) -> str:
        describe = self._EXACT.get(type(value)) or next(
            (how for kinds, how in self._BY_KIND if isinstance(value, kinds)), None
        )
        if describe is not None:
            return describe(self, value)
        library = type(value).__module__.partition(".")[0]
        if library == "pandas" and hasattr(value, "to_numpy"):
            return self._pandas(value)
        if library == "numba" and isinstance(getattr(value, "py_func", None), FunctionType):
            return _hash("compiled", self._function(value.py_func), self.digest(value.targetoptions, "options"))
        return self._reduced(value)

    def _sequence(self, value: Iterable[object]) -> str:
        return _hash(type(value).__name__, [self.digest(item, f"[{i}]") for i, item in enumerate(value)])

    def _set(self, value: Iterable[object]) -> str:
        return _hash("set", self.digest(type(value)), sorted(self.digest(item, "{…}") for item in value))

    def _mapping(self, value: Mapping[Any, object]) -> str:
        items = [[self.digest(key), self.digest(item, f"[{key!r:.40}]")] for key, item in value.items()]
        return _hash("mapping", items)

    def _named(self, values: Mapping[str, object]) -> list[list[str]]:
        return [[name, self.digest(values[name], name)] for name in sorted(values)]

    def _array(self, value: np.ndarray) -> str:
        if value.dtype.hasobject or value.dtype.kind not in "biufcmMSUV":
            return _hash("array", str(value.dtype), value.shape, self.digest(value.tolist(), "items"))
        return hash_arrays([(type(value).__name__, value)])

    def _pandas(self, value: Any) -> str:
        if hasattr(value, "columns"):
            columns = [self._pandas(value.iloc[:, position]) for position in range(value.shape[1])]
            return _hash("frame", self._pandas(value.columns), self._pandas(value.index), columns)
        dtype = value.dtype
        parts = [type(value).__name__, str(dtype), self.digest(getattr(value, "name", None), "name")]
        if hasattr(value, "names"):
            parts.append(self.digest(list(value.names), "names"))
        if hasattr(dtype, "categories"):
            parts.append(self.digest(list(dtype.categories), "categories"))
        if hasattr(value, "index") and not callable(value.index):
            parts.append(self._pandas(value.index))
        plain = value.to_numpy() if isinstance(dtype, np.dtype) else value.to_numpy(dtype=object)
        return _hash(*parts, self._array(plain))

    def _reduced(self, value: Any) -> str:
        """Describe an object by what pickling would keep of it."""
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:  # noqa: BLE001 (any refusal means that the state cannot be told)
            return self._unknown(" ".join(str(error).split()) or type(error).__name__)
        if isinstance(reduced, str):
            return _hash("named", origin_of(getattr(value, "__module__", None)) or "?", reduced)
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        state = _without_kept(type(value), state)
        parts = [self.digest(make, "type"), self.digest(arguments, "arguments"), *self._state(state)]
        listed = [self.digest(list(each), "items") for each in (items, pairs) if each is not None]
        return _hash("instance", parts, listed)

    def _state(self, state: object) -> list[object]:
        if type(state) is dict and all(isinstance(name, str) for name in state):
            return ["attributes", self._named(state)]
        if type(state) is tuple and len(state) == 2:  # attributes and slots
            return [*self._state(state[0]), *self._state(state[1])]
        return [self.digest(state, "state")]

    def _class(self, value: type) -> str:
        origin = origin_of(value.__module__)
        if origin is not None and "<locals>" not in value.__qualname__:
            return _hash("class", origin, value.__module__, value.__qualname__)
        body = {name: part for name, part in vars(value).items() if name not in _NO_BEHAVIOUR}
        bases = [self.digest(base) for base in value.__bases__]
        return _hash("class", self.digest(type(value)), bases, self._named(body))

    def _function(self, value: FunctionType) -> str:
        origin = origin_of(value.__globals__.get("__name__"))
        code = value.__code__
        inner = "<" in code.co_qualname
        if origin is not None and not inner:
            return _hash("function", origin, value.__module__, code.co_qualname)
        names = names_in(code)
        parts: list[object] = [origin, self._code(code), self.digest(value.__defaults__), self.digest(vars(value))]
        parts.append(self._named(value.__kwdefaults__ or {}))
        for name, cell in sorted(zip(code.co_freevars, value.__closure__ or (), strict=True)):
            parts.append([name, self._cell(cell, name, names)])
        if origin is None:
            parts += [[name, self._global(value, name, names)] for name in sorted(reads(code))]
            parts += [[name, self._imported(name, names)] for name in sorted(imports(code))]
        return _hash("function", *parts)

    def _cell(self, cell: Any, name: str, names: frozenset[str]) -> str:
        try:
            return self._referenced(cell.cell_contents, name, names)
        except ValueError:
            return "empty"

    def _global(self, function: Any, name: str, names: frozenset[str]) -> str:
        if name in function.__globals__:
            return self._referenced(function.__globals__[name], name, names)
        return "builtin" if name in function.__builtins__ else "missing"

    def _imported(self, name: str, names: frozenset[str]) -> str:
        if name in sys.modules:
            return self._module(sys.modules[name], name, names)
        return origin_of(name) or self._unknown(f"module {name!r} is imported inside a function and not loaded yet")

    def _referenced(self, value: object, name: str, names: frozenset[str]) -> str:
        return self._module(value, name, names) if isinstance(value, ModuleType) else self.digest(value, name)

    def _module(self, value: ModuleType, label: str = "", names: frozenset[str] | None = None) -> str:
        """Describe a module by its distribution, or, when it has none, by those of its values that `names` can mean."""
        origin = origin_of(value.__name__)
        if origin is not None:
            return _hash("module", origin, value.__name__)
        own = {name for name in vars(value) if not name.startswith("__")}
        wanted = sorted(own if names is None else own & names)
        return self._once(
            (id(value), names),
            value,
            label,
            lambda: _hash(
                "module", [[n, self._referenced(vars(value)[n], n, names or frozenset(own))] for n in wanted]
            ),
        )

    def _code(self, code: CodeType) -> str:
        return _hash("code", signature(code), flow(code, self._operand))

    def _operand(self, operand: object) -> object:
        if isinstance(operand, Constant):
            constant = operand.value
            return self._code(constant) if isinstance(constant, CodeType) else self.digest(constant, "constant")
        return operand

    def _property(self, value: property) -> str:
        return _hash("property", [self.digest(part) for part in (value.fget, value.fset, value.fdel)])

    def _wrapped(self, value: Any) -> str:
        return _hash(type(value).__name__, self.digest(value.__wrapped__))

    def _cached(self, value: Any) -> str:
        return _hash("cached", self.digest(value.__wrapped__), self.digest(value.cache_parameters(), "parameters"))

    def _method(self, value: MethodType) -> str:
        return _hash("method", self.digest(value.__self__, "self"), self.digest(value.__func__))

    def _builtin(self, value: Any) -> str:
        owner = getattr(value, "__self__", None)
        shown = owner.__name__ if isinstance(owner, ModuleType) else self.digest(owner, "self")
        return _hash("builtin", shown, value.__name__)

    def _descriptor(self, value: Any) -> str:
        return _hash("descriptor", value.__objclass__.__name__, value.__name__)

    def _scalar(self, value: Any) -> str:
        return self._array(np.asarray(value)) if isinstance(value, np.generic) else _hash("dtype", str(value))

    _EXACT: ClassVar[Mapping[type, Callable[[Any, Any], str]]] = {
        list: _sequence,
        tuple: _sequence,
        dict: _mapping,
        MappingProxyType: _mapping,
        FunctionType: _function,
        MethodType: _method,
        ModuleType: _module,
        CodeType: _code,
        property: _property,
        staticmethod: _wrapped,
        classmethod: _wrapped,
        BuiltinFunctionType: _builtin,
        MethodWrapperType: _builtin,
        ClassMethodDescriptorType: _descriptor,
        GetSetDescriptorType: _descriptor,
        MemberDescriptorType: _descriptor,
        MethodDescriptorType: _descriptor,
        WrapperDescriptorType: _descriptor,
        type(functools.cache(len)): _cached,
    }
    _BY_KIND: ClassVar[Sequence[tuple[tuple[type, ...], Callable[[Any, Any], str]]]] = (
        ((type,), _class),
        ((set, frozenset), _set),
        ((np.ndarray,), _array),
        ((np.generic, np.dtype), _scalar),
        ((ModuleType,), _module),
    )


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def _without_kept(kind: type, state: object) -> object:
    """Return an object's state without what cached properties keep there once they were read."""
    if type(state) is not dict:
        return state
    kept = {
        name for base in kind.__mro__ for name, part in vars(base).items() if type(part) is functools.cached_property
    }
    return {name: part for name, part in state.items() if name not in kept} or None


def _name(value: object) -> str:
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__)
