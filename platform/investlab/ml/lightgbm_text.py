"""Checking LightGBM's text form before LightGBM reads it.

LightGBM trusts its text: a truncated one ends the whole process, and a child index out of range reads foreign memory.
So nothing reaches it that is not checked here line by line: every tree is a tree over the expected features, all its
arrays are complete and all its numbers finite. Categorical splits and linear leaves are refused; investlab's learner
makes neither. The parts that only repeat how a model was trained are left out of an artifact.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NoReturn

from investlab.core.errors import Corrupt

MAX_LEAVES = 256
MAX_TREES = 10_000
END = "end of trees"

_WHOLE = re.compile(r"-?[0-9]{1,9}")
_REAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,25})?(e[+-]?[0-9]{1,3})?")
_RANGE = re.compile(r"none|\[([^:\]]+):([^:\]]+)\]")
_HEADER = ("version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0")
_NUMERICAL_SPLITS = {0, 2, 4, 6, 8, 10}
"""Decision types without the categorical bit: the side and the kind of missing values."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How long the arrays of a tree are, and how many features it may split on."""

    leaves: int
    features: int

    @property
    def splits(self) -> int:
        return self.leaves - 1


def trees_only(text: str) -> str:
    """Return a model's text without what LightGBM writes after its trees."""
    return f"{text[: text.index(END)]}{END}\n"


def check_model_text(text: str, features: Sequence[str]) -> int:
    """Check that a text is exactly a ranking model over these features, and return its number of trees.

    Raises:
        Corrupt: It is not; the reason is named.
    """
    head, _, body = text.partition("\n\n")
    sizes = _check_header(head.split("\n"), features)
    start = 0
    for number, size in enumerate(sizes):
        _check_tree(body[start : start + size], number, len(features))
        start += size
    if body[start:] != f"{END}\n":
        _refuse("what follows its trees is not their end")
    return len(sizes)


def _check_header(lines: list[str], features: Sequence[str]) -> list[int]:
    expected = (
        "tree",
        *_HEADER,
        f"max_feature_idx={len(features) - 1}",
        "objective=lambdarank",
        f"feature_names={' '.join(features)}",
    )
    if len(lines) != len(expected) + 2:
        _refuse("its header is incomplete")
    for line, wanted in zip(lines, expected, strict=False):
        if line != wanted:
            _refuse(f"its header says {line[:60]!r} instead of {wanted[:60]!r}")
    ranges = _after("feature_infos=", lines[-2]).split(" ")
    found = [_RANGE.fullmatch(each) for each in ranges]
    if len(found) != len(features) or not all(found):
        _refuse("the ranges of its features are damaged")
    for each in found:
        for bound in each.groups() if each else ():
            if bound is not None:
                _real(bound)
    sizes = _wholes(_after("tree_sizes=", lines[-1]))
    if not 1 <= len(sizes) <= MAX_TREES or min(sizes) < 1:
        _refuse("the sizes of its trees are damaged")
    return sizes


def _check_tree(text: str, number: int, features: int) -> None:
    """Check one tree: all lines, in LightGBM's order, and nothing else."""
    lines = iter(text.split("\n"))
    if _next(lines) != f"Tree={number}":
        _refuse(f"tree {number} does not begin where it should")
    (leaves,) = _wholes(_after("num_leaves=", _next(lines)), 1)
    if not 1 <= leaves <= MAX_LEAVES or _next(lines) != "num_cat=0":
        _refuse(f"tree {number} has {leaves} leaves, or categorical splits")
    _check_nodes(lines, _Layout(leaves, features))
    if _next(lines) != "is_linear=0":
        _refuse(f"tree {number} has linear leaves")
    _reals(_after("shrinkage=", _next(lines)), 1)
    if list(lines) != ["", "", ""]:
        _refuse(f"tree {number} does not end where it should")


def _check_nodes(lines: Iterator[str], layout: _Layout) -> None:
    splits, leaves = layout.splits, layout.leaves
    split_features = _wholes(_after("split_feature=", _next(lines)), splits)
    _reals(_after("split_gain=", _next(lines)), splits)
    _reals(_after("threshold=", _next(lines)), splits)
    kinds = _wholes(_after("decision_type=", _next(lines)), splits)
    left = _wholes(_after("left_child=", _next(lines)), splits)
    right = _wholes(_after("right_child=", _next(lines)), splits)
    _reals(_after("leaf_value=", _next(lines)), leaves)
    _reals(_after("leaf_weight=", _next(lines)), leaves if splits else 0)
    counts = _wholes(_after("leaf_count=", _next(lines)), leaves)
    _reals(_after("internal_value=", _next(lines)), splits)
    _reals(_after("internal_weight=", _next(lines)), splits)
    counts += _wholes(_after("internal_count=", _next(lines)), splits)
    if any(not 0 <= each < layout.features for each in split_features):
        _refuse("a tree splits on a feature that does not exist")
    if any(each not in _NUMERICAL_SPLITS for each in kinds):
        _refuse("a tree has a split of another kind")
    if any(each < 1 for each in counts):
        _refuse("a tree has empty nodes")
    _check_shape(left, right, leaves)


def _check_shape(left: list[int], right: list[int], leaves: int) -> None:
    """Check that the nodes are one tree: each but the root is the child of one earlier node; −1 − n means leaf n."""
    children = left + right
    wanted = [*range(1, leaves - 1), *range(-leaves, 0)] if leaves > 1 else []
    if sorted(children) != sorted(wanted):
        _refuse("the nodes of a tree are not connected")
    if any(0 <= child <= parent for side in (left, right) for parent, child in enumerate(side)):
        _refuse("the nodes of a tree run in a circle")


def _next(lines: Iterator[str]) -> str:
    line = next(lines, None)
    if line is None:
        _refuse("a tree is cut off")
    return line


def _after(key: str, line: str) -> str:
    if not line.startswith(key):
        _refuse(f"{key[:-1]} is missing")
    return line[len(key) :]


def _words(text: str, count: int | None) -> list[str]:
    words = text.split(" ") if text else []
    if count is not None and len(words) != count:
        _refuse(f"{len(words)} numbers stand where {count} should")
    return words


def _wholes(text: str, count: int | None = None) -> list[int]:
    words = _words(text, count)
    if not all(map(_WHOLE.fullmatch, words)):
        _refuse("a whole number is damaged")
    return [int(word) for word in words]


def _reals(text: str, count: int) -> None:
    for word in _words(text, count):
        _real(word)


def _real(word: str) -> None:
    if not _REAL.fullmatch(word) or not isfinite(float(word)):
        _refuse("a number is damaged or not finite")


def _refuse(reason: str) -> NoReturn:
    raise Corrupt(f"The LightGBM model is damaged: {reason}.", remedy="Restore the artifact from a backup.")
