"""Artifacts are named by their content, whole or not there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from investlab.core.errors import Corrupt, NotFound
from investlab.store.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def test_pieces_are_stored_under_the_name_of_the_whole(store: ArtifactStore) -> None:
    name = store.put_pieces(piece.encode() for piece in ("to", "get", "her"))
    assert name == hashlib.sha256(b"together").hexdigest() == store.put(b"together")
    assert store.get(name) == b"together"
    assert [path.name for path in store.root.rglob("*") if path.is_file()] == [name]


def test_pieces_that_break_off_leave_nothing(store: ArtifactStore) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_pieces(pieces())
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_what_is_missing_or_damaged_is_named(store: ArtifactStore) -> None:
    name = store.put(b"content")
    with pytest.raises(NotFound, match="There is no artifact 0000"):
        store.get("0" * 64)
    next(path for path in store.root.rglob(name)).write_bytes(b"other")
    with pytest.raises(Corrupt, match=f"{name[:12]} is damaged"):
        store.get(name)
