"""The executor over a real Ray head: same results as serial, faults survived or named, nothing left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from investlab.backtest.strategies import MonthlyMomentum
from investlab.backtest.walk_forward import walk_forward
from investlab.compute import RayExecutor, RayHead, attach, ray_executor, start_head
from investlab.core.config import Settings
from investlab.core.errors import ExecutionFailed, InvalidInput, InvalidSettings, QualityRejected, WorkerLost
from investlab.core.executor import SerialExecutor
from investlab.core.hashing import hash_arrays
from investlab.market.panel import PricePanel
from investlab.store.market import MarketStore
from tests.support.bars import INGESTED_AT, make_bars
from tests.support.pages import code_of
from tests.support.panels import random_panel
from tests.support.workspaces import DATASET, open_with_bars

pytestmark = pytest.mark.slow
SETTINGS = Settings(ray_workers=2)


class CountsPickles:
    """Shared data that remembers how often it was sent."""

    def __init__(self) -> None:
        self.pickled = 0

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        self.pickled += 1
        return int, (7,)


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with start_head(SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def executor(head: RayHead) -> Iterator[RayExecutor]:
    with attach(head.address, head.env):
        yield RayExecutor(SETTINGS.ray_workers, "asked for")


def family(head: RayHead) -> list[psutil.Process]:
    return [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]


def busy(scale: int) -> Callable[[int, int], int]:
    """Return a function of about 100 ms of work, sent to workers by value."""

    def work(shared: int, item: int) -> int:
        total = 0
        for number in range(scale):
            total += number % (item + 2)
        return total * shared + item

    return work


def test_results_come_in_the_order_of_the_items_and_equal_the_serial_ones(executor: RayExecutor) -> None:
    seen: list[tuple[int, int]] = []
    work = busy(800_000)
    parallel = executor.map(work, 3, range(16), lambda done, total: seen.append((done, total)))
    assert parallel.results == SerialExecutor().map(work, 3, range(16)).results
    assert seen == [(done, 16) for done in range(1, 17)]
    assert len(parallel.worker_pids) >= 2
    assert os.getpid() not in parallel.worker_pids
    assert (parallel.executor, parallel.reason) == ("ray", "asked for")


def test_workers_see_cached_panels_without_a_copy(
    executor: RayExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = open_with_bars(monkeypatch, tmp_path / "home")
    panel = lab.panel(lab.universe(DATASET))

    def seen(shared: PricePanel, name: str) -> tuple[bool, bool, str]:
        values = shared.values(name)
        return values.flags.owndata, values.flags.writeable, hash_arrays([(name, values)])

    found = executor.map(seen, panel, list(panel.fields)).results
    assert found == [(False, False, hash_arrays([(name, values)])) for name, values in panel.fields.items()]


def test_shared_data_is_put_once(executor: RayExecutor) -> None:
    shared = CountsPickles()

    def add(base: object, item: int) -> int:
        return int(str(base)) + item

    assert executor.map(add, shared, [1, 2, 3, 4]).results == [8, 9, 10, 11]
    assert shared.pickled == 1


def test_a_walk_forward_is_the_serial_one_to_the_bit(executor: RayExecutor) -> None:
    grid = {"k": [1, 2, 3], "lookback_sessions": [10, 20, 25, 30], "skip_sessions": [0, 3]}
    panel = random_panel(1, sessions=200, instruments=4)
    serial, remote = (
        walk_forward(MonthlyMomentum, grid, panel, train=80, test=40, executor=one)
        for one in (SerialExecutor(), executor)
    )
    assert remote.computation.executor == "ray"
    assert remote.hash == serial.hash
    assert remote.block_moments.tobytes() == serial.block_moments.tobytes()


def test_no_items_need_no_worker(executor: RayExecutor) -> None:
    assert executor.map(busy(1), 1, []).results == []


def test_a_killed_worker_is_replaced_and_the_results_stay_the_same(
    executor: RayExecutor, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    marker = str(tmp_path / "killed")
    work = busy(1000)

    def die_once(shared: int, item: int) -> int:
        if item == 2 and not os.path.exists(marker):  # noqa: PTH110 (sent to a worker by value)
            os.close(os.open(marker, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGKILL)
        return work(shared, item)

    assert executor.map(die_once, 5, range(6)).results == SerialExecutor().map(work, 5, range(6)).results
    assert Path(marker).exists()
    assert "".join(capfd.readouterr()) == ""


def test_a_worker_that_always_dies_is_worker_lost(executor: RayExecutor) -> None:
    def die(_shared: int, _item: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(WorkerLost, match=r"Item 1 of 1 lost its worker 4 times .* executor='serial'"):
        executor.map(die, 0, [0])


def test_our_own_error_comes_through_as_itself(executor: RayExecutor) -> None:
    def reject(_shared: int, item: int) -> int:
        if item >= 1:
            raise QualityRejected(f"Bad bar {item}.", remedy="Fix it.", details={"item": item})
        return item

    with pytest.raises(QualityRejected) as caught:
        executor.map(reject, 0, range(40))
    assert (caught.value.sentence, caught.value.details) == ("Bad bar 1. Fix it.", {"item": 1})


def test_another_exception_is_one_sentence_that_names_the_item(executor: RayExecutor) -> None:
    def divide(_shared: int, item: int) -> float:
        return 1 / item

    with pytest.raises(ExecutionFailed, match=r"^Item 3 of 3 failed with ZeroDivisionError: division by zero\.$"):
        executor.map(divide, 0, [2, 1, 0])


def test_what_cannot_be_sent_is_refused_by_name(executor: RayExecutor) -> None:
    with pytest.raises(InvalidInput, match="The shared data cannot be sent to a worker"):
        executor.map(lambda _lock, item: item, threading.Lock(), [1])


def test_everything_listens_on_loopback_and_the_token_is_in_no_command_line(head: RayHead) -> None:
    addresses = {
        link.laddr.ip for process in family(head) for link in process.net_connections() if link.status == "LISTEN"
    }
    assert addresses
    assert addresses <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    token = head.env["RAY_AUTH_TOKEN"]
    assert not [process for process in family(head) if token in " ".join(process.cmdline())]
    assert token not in repr(head)
    assert not [path for path in head.folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]


def _attaching(head: RayHead, token: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from investlab.compute import attach\nwith attach(sys.argv[1]): print('attached')"
    environment = {**os.environ, **head.env, "RAY_AUTH_TOKEN": token}
    return subprocess.run(
        [sys.executable, "-c", code, head.address], env=environment, capture_output=True, text=True, check=False
    )


def test_a_child_process_attaches_with_the_token_only(head: RayHead) -> None:
    assert _attaching(head, head.env["RAY_AUTH_TOKEN"]).stdout == "attached\n"
    refused = _attaching(head, "0" * 64)
    assert "attached" not in refused.stdout
    assert refused.returncode != 0


def test_attaching_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    code = "from investlab.compute import attach\nwith attach('127.0.0.1:6379'): pass"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert InvalidSettings.__name__ in outcome.stderr
    assert "Set RAY_AUTH_TOKEN" in outcome.stderr


def test_two_heads_live_side_by_side_and_stopping_one_leaves_nothing_of_it(head: RayHead) -> None:
    other = start_head(SETTINGS)
    members = family(other)
    assert other.address != head.address
    other.stop()
    other.stop()
    assert not [process for process in members if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert not other.folder.exists()
    assert all(process.is_running() for process in family(head))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "killed"])
def test_an_interrupted_map_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        textwrap.dedent("""
            import time
            from investlab.compute import ray_executor
            from investlab.core.config import Settings

            def wait(shared, item):
                if item == 1:
                    time.sleep(600)

            with ray_executor(Settings(ray_workers=2)) as executor:
                executor.map(wait, 0, range(2), lambda done, total: print("first", flush=True))
        """),
        encoding="utf-8",
    )
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        members = psutil.Process(process.pid).children(recursive=True)
        folders = [Path(line[3]) for member in members if "investlab.compute" in (line := member.cmdline())]
        assert [folder.exists() for folder in folders] == [True]
        process.send_signal(number)
        process.wait(60)
    _, alive = psutil.wait_procs(members, timeout=30)
    assert not alive
    assert not folders[0].exists()


def test_an_open_connection_is_used_by_ray_executor(executor: RayExecutor) -> None:
    with ray_executor(SETTINGS, "nested") as nested:
        assert nested.workers == executor.workers
        assert nested.map(busy(10), 1, [1]).reason == "nested"
    assert executor.map(busy(10), 1, [1]).results


@pytest.mark.usefixtures("executor")
def test_ray_data_reads_the_bars_directly(tmp_path: Path) -> None:
    """By the very code of the documentation."""
    store, bars = MarketStore(tmp_path / "market"), make_bars(first="2019-12-30")
    with store.writing("bars"):
        pin = store.append("bars", bars, acknowledged=None, ingested_at=INGESTED_AT).pin
    names = {"folder": store.root / "bars", "base_version": pin.base_version}
    exec(code_of("reading-bars.md", "The files of a version") + code_of("reading-bars.md", "Ray Data"), names)
    found = names["rows"].to_pandas().sort_values(["instrument_id", "session"])
    assert found["close"].tolist() == bars["close"].tolist()
