"""What a function's bytecode does, without what only its layout decides.

Line breaks and comments move line numbers, padding and jumps: the compiler threads a jump through another only when
both are on one line. So code is shown as its control flow: each distinct step with the steps that may follow it.
"""

import bisect
import dis
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

_HIDDEN = frozenset({"CACHE", "EXTENDED_ARG"})
_PASSES = frozenset({"JUMP", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_FORWARD", "NOP"})
_ENDS = frozenset({"INTERPRETER_EXIT", "RAISE_VARARGS", "RERAISE", "RETURN_CONST", "RETURN_VALUE"})
_READS_GLOBAL = frozenset({"LOAD_FROM_DICT_OR_GLOBALS", "LOAD_GLOBAL", "LOAD_NAME"})
_MIRRORED = {
    "POP_JUMP_IF_FALSE": "POP_JUMP_IF_TRUE",
    "POP_JUMP_IF_NOT_NONE": "POP_JUMP_IF_NONE",
}
_VARIADIC = 0x04, 0x08  # co_flags of *arguments and **keywords

Shown = tuple[str, object, object]
"""A step: its operation, its operand, and the stack depth that its exception handler expects."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The operand of an instruction that loads a constant."""

    value: object


@dataclass(frozen=True, slots=True)
class _Step:
    operation: str
    operand: object
    offset: int
    target: int | None


def signature(code: CodeType) -> tuple[object, ...]:
    """Return the names and kinds of a function's arguments, and its flags."""
    variadic = sum(bool(code.co_flags & flag) for flag in _VARIADIC)
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + variadic]
    return names, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags


def flow(code: CodeType, show: Callable[[object], object]) -> list[tuple[Shown, list[int]]]:
    """Return the distinct steps in the order they are reached, each with the numbers of those that may follow it.

    `show` turns an operand, which may be a `Constant`, into something that can be compared and serialised. Steps that
    do the same and lead to the same are one.
    """
    steps = list(_steps(code))
    offsets = [step.offset for step in steps]
    handlers = [
        (e.start, e.end, e.target, (e.depth, e.lasti)) for e in cast("Any", dis.Bytecode(code)).exception_entries
    ]
    shown: list[Shown] = []
    follow: list[list[int]] = []
    for index, step in enumerate(steps):
        after = [] if step.operation in _ENDS or step.operation in _PASSES else [index + 1]
        if step.target is not None and step.operation not in _PASSES:
            after.append(bisect.bisect_left(offsets, step.target))
        operation = _MIRRORED.get(step.operation, step.operation)
        if operation != step.operation:
            after.reverse()
        caught = next(((to, depth) for start, end, to, depth in handlers if start <= step.offset < end), (None, None))
        if caught[0] is not None:
            after.append(bisect.bisect_left(offsets, caught[0]))
        shown.append((operation, show(step.operand), caught[1]))
        follow.append([_landing(steps, offsets, to) for to in after])
    return _canonical(shown, follow, _landing(steps, offsets, 0))


def _steps(code: CodeType) -> Iterator[_Step]:
    for step in dis.get_instructions(code):
        jumps = step.opcode in dis.hasjrel or step.opcode in dis.hasjabs
        if step.opname in _HIDDEN:
            continue
        if isinstance(step.argval, tuple) and "_FAST_" in step.opname:  # 3.13 joins two steps that share a line
            for part, name in zip(step.opname.replace("FAST_", "FAST ").split(), step.argval, strict=True):
                yield _Step(part, name, step.offset, None)
        elif step.opcode in dis.hasconst:
            yield _Step(step.opname, Constant(step.argval), step.offset, None)
        elif jumps:
            yield _Step(step.opname, None, step.offset, step.argval)
        else:
            yield _Step(step.opname, step.argval if isinstance(step.argval, str) else step.arg, step.offset, None)


def _landing(steps: list[_Step], offsets: list[int], index: int) -> int:
    """Return the first step at or after `index` that does more than lead on; an empty endless loop is its own."""
    passed = set()
    while steps[index].operation in _PASSES and index not in passed:
        passed.add(index)
        target = steps[index].target
        index = index + 1 if target is None else bisect.bisect_left(offsets, target)
    return index


def _canonical(shown: list[Shown], follow: list[list[int]], entry: int) -> list[tuple[Shown, list[int]]]:
    kinds: dict[object, int] = {}
    kind = [kinds.setdefault(repr(step), len(kinds)) for step in shown]
    while True:
        finer: dict[object, int] = {}
        next_kind = [
            finer.setdefault((kind[index], *(kind[to] for to in after)), len(finer))
            for index, after in enumerate(follow)
        ]
        if len(finer) == len(set(kind)):
            break
        kind = next_kind
    order = [entry]
    number = {kind[entry]: 0}
    for index in order:
        for to in follow[index]:
            if kind[to] not in number:
                number[kind[to]] = len(order)
                order.append(to)
    return [(shown[index], [number[kind[to]] for to in follow[index]]) for index in order]


def names_in(code: CodeType) -> frozenset[str]:
    """Return every name that the code and the code inside it look up, attributes included."""
    return frozenset(name for part in _nested(code) for name in part.co_names)


def reads(code: CodeType) -> frozenset[str]:
    """Return the global names that the code and the code inside it read."""
    return _operands(code, _READS_GLOBAL)


def imports(code: CodeType) -> frozenset[str]:
    """Return the modules that the code and the code inside it import."""
    return _operands(code, frozenset({"IMPORT_NAME"}))


def _operands(code: CodeType, operations: frozenset[str]) -> frozenset[str]:
    return frozenset(
        step.argval for part in _nested(code) for step in dis.get_instructions(part) if step.opname in operations
    )


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)
