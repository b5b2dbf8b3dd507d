"""Parts fetched before an ingest broke off are kept for the next one, but not for ever."""

import os
import time
from pathlib import Path

import pandas as pd

from investlab.store.staging import KEEP_SECONDS, StagingStore

BARS = pd.DataFrame({"symbol": ["AAA"], "close": [1.5]})


def test_a_kept_part_is_found_by_the_same_request_alone(tmp_path: Path) -> None:
    store = StagingStore(tmp_path)
    store.request("vendor", "2024").keep("page 1", BARS)
    found = StagingStore(tmp_path).request("vendor", "2024").find("page 1")
    assert found is not None
    pd.testing.assert_frame_equal(found, BARS)
    assert store.request("vendor", "2025").find("page 1") is None


def test_a_damaged_part_is_fetched_again(tmp_path: Path) -> None:
    staged = StagingStore(tmp_path).request("vendor")
    staged.keep("page 1", BARS)
    (path,) = staged.folder.iterdir()
    path.write_bytes(path.read_bytes()[:50])
    assert staged.find("page 1") is None
    assert not path.exists()


def test_parts_given_up_go_when_another_request_begins(tmp_path: Path) -> None:
    store = StagingStore(tmp_path)
    given_up, recent = store.request("given up"), store.request("recent")
    for staged in (given_up, recent):
        staged.keep("page 1", BARS)
    long_ago = time.time() - KEEP_SECONDS - 60
    os.utime(given_up.folder, (long_ago, long_ago))
    store.request("another")
    assert not given_up.folder.exists()
    assert recent.find("page 1") is not None
