"""Content hashes: the same content gives the same identity on every machine."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

BLOCK_VALUES = 2**16


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item) for item in value), key=canonical_json)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (Decimal, Path)):
        return str(value)
    return value


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces, so that equal values give equal text."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def hash_arrays(parts: Iterable[tuple[str, np.ndarray]]) -> str:
    """Return the SHA-256 over named arrays: name, dtype, shape and bytes in C order.

    Negative zero counts as zero and every NaN as the same NaN, so that equal values hash alike.
    """
    digest = hashlib.sha256()
    for name, array in parts:
        whole = np.ascontiguousarray(array)
        digest.update(f"{name}|{whole.dtype.str}|{whole.shape}|".encode())
        flat = whole.reshape(-1)
        if not len(flat):
            continue
        if whole.dtype.kind != "f":
            digest.update(flat.view(np.uint8))
            continue
        for start in range(0, len(flat), BLOCK_VALUES):  # blocks that stay in the processor's cache
            block = flat[start : start + BLOCK_VALUES] + 0.0
            block[np.isnan(block)] = np.nan
            digest.update(block.view(np.uint8))
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
