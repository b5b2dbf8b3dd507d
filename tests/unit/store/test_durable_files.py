"""Files of backups: copied with their hash, named by nothing that leads elsewhere."""

from pathlib import Path

import pytest

from investlab.core.errors import Corrupt, InvalidInput
from investlab.store.durable_files import check_file, copy_file, lasting_files, safe_name, write_file


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../up", "a/../../b", "a//b", "a/", "a\\b", "./a"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="no file inside a backup"):
        safe_name(name)


@pytest.mark.parametrize("name", ["a", "a/b.parquet", "year=2020/part 1.parquet", "ü/..hidden"])
def test_a_plain_name_is_kept(name: str) -> None:
    assert safe_name(name) == name


def test_a_copy_is_described_by_what_was_written(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"line one\nline tw")
    copied = copy_file(source, tmp_path / "to", "deep/copy", most_bytes=9)
    assert (copied.bytes, (tmp_path / "to/deep/copy").read_bytes()) == (9, b"line one\n")
    check_file(tmp_path / "to", copied)


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    write_file(b"first", tmp_path, "name")
    with pytest.raises(FileExistsError):
        write_file(b"second", tmp_path, "name")
    assert (tmp_path / "name").read_bytes() == b"first"


def test_one_bit_is_noticed(tmp_path: Path) -> None:
    written = write_file(b"content", tmp_path, "name")
    (tmp_path / "name").write_bytes(b"bontent")
    with pytest.raises(Corrupt, match="other bytes"):
        check_file(tmp_path, written)


def test_locks_links_and_what_is_being_written_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.lock", "b.pid", "c.building", "d.opening", "kept/e.txt"):
        write_file(b"", tmp_path, name)
    (tmp_path / "link").symlink_to(tmp_path / "kept" / "e.txt")
    assert lasting_files(tmp_path) == [tmp_path / "kept" / "e.txt"]
