"""Bad input and broken ground: one sentence with a remedy, the right exit code, and nothing changed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from investlab.cli.app import main
from investlab.services.workspace import Workspace
from investlab.store import delta_log
from tests.support.mounts import require_mounts, run_mounted
from tests.support.tables import table_checksums
from tests.support.trees import checksums
from tests.support.workspaces import DATASET, open_with_bars

Capture = pytest.CaptureFixture[str]
RUN = ["backtest", "run", "--strategy", "sma_cross", "--param", "fast=5", "--param", "slow=20"]
ON = ["--dataset", DATASET, "--symbols"]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    home = tmp_path / "home"
    monkeypatch.setenv("INVESTLAB_HOME", str(home))
    monkeypatch.setenv("INVESTLAB_LOCK_TIMEOUT_SECONDS", "0.05")
    return open_with_bars(monkeypatch, home)


def state(home: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return checksums of every table and of every file but the database's own and the deletable cache."""
    files = {
        name: checksum for name, checksum in checksums(home).items() if not name.startswith(("investlab.db", "cache/"))
    }
    return table_checksums(home / "investlab.db"), files


def one_sentence(capsys: Capture) -> str:
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert "Traceback" not in captured.err
    assert lines[-1].startswith("Error: ")
    return lines[-1]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        pytest.param([*RUN, *ON, "AAX"], 3, "Unknown symbol 'AAX'. Did you mean AAA?", id="unknown-symbol"),
        pytest.param(
            [*RUN, *ON, "AAA", "--start", "2020-06-01", "--end", "2020-01-01"],
            2,
            "The start 2020-06-01 lies after the end 2020-01-01. Exchange the two dates.",
            id="reversed-dates",
        ),
        pytest.param([*RUN, *ON, ","], 2, "The universe is empty. Name at least one symbol", id="empty-universe"),
        pytest.param(
            [*RUN, *ON, "AAA", "--start", "2022-01-01"], 2, "has no bars of AAA from 2022-01-01", id="no-bars-in-range"
        ),
        pytest.param(
            [*RUN, "--param", "fats=3", *ON, "AAA"],
            2,
            "no parameter 'fats'. Did you mean fast?",
            id="unknown-parameter",
        ),
        pytest.param(
            [*RUN[:3], "sma_corss", *ON, "AAA"], 3, "Did you mean sma_cross, ema_cross?", id="unknown-strategy"
        ),
        pytest.param([*RUN, "--dataset", "test-rwa", "--symbols", "AAA"], 3, "Did you mean test-raw?", id="dataset"),
        pytest.param([*RUN, *ON, "AAA", "--start", "soon"], 2, "start 'soon' is no date", id="no-date"),
        pytest.param([*RUN, *ON, "AAA", "--execution", "now"], 2, "Unknown execution 'now'", id="execution"),
        pytest.param([*RUN, *ON, "AAA", "--cash", "-5"], 2, "Give a positive amount", id="negative-cash"),
        pytest.param([*RUN, *ON, "AAA,AAA"], 2, "AAA is named more than once", id="repeated-symbol"),
        pytest.param([*RUN, *ON], 2, "requires an argument", id="option-without-value"),
        pytest.param(["trace", "bt-nothing"], 3, "Check the id", id="unknown-id"),
        pytest.param(["data", "panel", *ON, "AAA", "--adjust", "up"], 2, "Unknown adjustment 'up'", id="adjustment"),
        pytest.param(["pipeline", "run", "reserch"], 3, "Did you mean research?", id="unknown-pipeline"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(
    lab: Workspace, capsys: Capture, arguments: list[str], exit_code: int, says: str
) -> None:
    before = state(lab.context.settings.home_path)
    assert main(arguments) == exit_code
    assert says in one_sentence(capsys)
    assert state(lab.context.settings.home_path) == before


def lose_the_last_commit(lab: Workspace, capsys: Capture) -> None:
    """Damage the last commit and its copy, so that opening the home can only say what is lost."""
    folder = lab.context.market.root / DATASET
    commit = delta_log.commit_path(folder / "bars", 0)
    commit.write_bytes(commit.read_bytes()[:150])
    for copy in (folder / "commits").iterdir():
        copy.unlink()
    lab.context.panels.clear()
    assert main(["data", "list"]) == 0
    assert "was found torn and was lost; lost: 1,515 bars" in capsys.readouterr().err


def test_a_lost_commit_is_named_and_left_alone(lab: Workspace, capsys: Capture) -> None:
    home = lab.context.settings.home_path
    lose_the_last_commit(lab, capsys)
    before = state(home)
    assert main([*RUN, *ON, "AAA"]) == 6
    sentence = one_sentence(capsys)
    assert "Commit 0 of dataset 'test-raw' (bars) is damaged" in sentence
    assert "investlab data rebuild test-raw" in sentence
    assert state(home) == before


def test_an_ingest_over_damage_changes_no_bar_and_is_recorded_as_failed(lab: Workspace, capsys: Capture) -> None:
    home = lab.context.settings.home_path
    lose_the_last_commit(lab, capsys)
    tables, files = state(home)
    assert main(["data", "ingest", "scripted", "--dataset", DATASET]) == 6
    assert "is missing" in one_sentence(capsys)
    changed = {name for name, checksum in state(home)[0].items() if tables[name] != checksum}
    assert changed == {"ingest_runs"}
    assert state(home)[1] == files


def test_a_second_writer_is_told_to_wait(lab: Workspace, capsys: Capture) -> None:
    home = lab.context.settings.home_path
    holding = (
        "import sys; from pathlib import Path; from investlab.store.market import MarketStore\n"
        f"with MarketStore(Path({str(lab.context.market.root)!r})).writing({DATASET!r}):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", holding], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        tables, files = state(home)
        assert main(["data", "ingest", "scripted", "--dataset", DATASET]) == 5
        sentence = one_sentence(capsys)
        assert f"Another process (pid {other.pid}) is writing 'test-raw'" in sentence
        assert "Wait for it to end" in sentence
        changed = {name for name, checksum in state(home)[0].items() if tables[name] != checksum}
        assert changed == {"ingest_runs"}
        assert state(home)[1] == files
    finally:
        other.communicate()


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    folder = tmp_path / "mounted"
    folder.mkdir()
    require_mounts(folder)
    return folder


INGEST = '"$python" -m investlab data ingest sample --dataset us-ohlcv-recent'
SHOW = (
    'cd "$INVESTLAB_HOME" && find . -type f -not -name "*.lock" -not -name "*.pid" -not -name "*-shm" '
    "-not -name '*-wal' | sort | xargs sha256sum"
)


def test_a_read_only_home_is_named(mounted: Path) -> None:
    home = mounted / "home"
    script = (
        f"{INGEST} >/dev/null 2>&1; {SHOW} > $mounted/before; mv $mounted/before /dev/shm/before.$$; "
        f"mount -o remount,ro $mounted; set +e; {INGEST}; code=$?; {SHOW} | cmp - /dev/shm/before.$$; "
        "same=$?; rm /dev/shm/before.$$; echo same=$same; exit $code"
    )
    outcome = run_mounted(mounted, script, {"INVESTLAB_HOME": str(home)})
    assert outcome.returncode == 5, outcome.stderr
    assert "same=0" in outcome.stdout
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.strip().splitlines()[-1].startswith("Error: ")


def test_a_home_that_cannot_be_made_is_named(mounted: Path) -> None:
    home = mounted / "home"
    outcome = run_mounted(mounted, f"mount -o remount,ro $mounted; {INGEST}", {"INVESTLAB_HOME": str(home)})
    assert outcome.returncode == 5, outcome.stderr
    assert "cannot be created: Read-only file system. Set INVESTLAB_HOME" in outcome.stderr


def test_a_full_disk_leaves_the_earlier_bars_readable(mounted: Path) -> None:
    home = mounted / "home"
    verify = '"$python" -m investlab data verify --deep'
    panel = '"$python" -m investlab data panel --dataset us-ohlcv-recent --symbols AAPL'
    show = '(cd "$INVESTLAB_HOME/market"; find . -name "*.parquet" -o -name "*.json" | sort | xargs sha256sum)'
    script = (
        f"{INGEST} >/dev/null 2>&1; {show} > /dev/shm/full.$$; "
        "dd if=/dev/zero of=$mounted/fill bs=4k 2>/dev/null || true; set +e; "
        '"$python" -m investlab data ingest sample --dataset us-close; code=$?; '
        f"rm $mounted/fill; {show} | cmp - /dev/shm/full.$$; echo same=$?; rm /dev/shm/full.$$; "
        f"{verify} && {panel} && echo readable; exit $code"
    )
    outcome = run_mounted(mounted, script, {"INVESTLAB_HOME": str(home)}, size="16m")
    assert outcome.returncode == 5, outcome.stderr
    assert "same=0" in outcome.stdout
    assert "readable" in outcome.stdout
    assert "Traceback" not in outcome.stderr
    assert "Error: " in outcome.stderr


def test_a_file_size_limit_is_a_clean_error(tmp_path: Path) -> None:
    """Where no mount can be made the same protection is reached through a limit on file size."""
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from investlab.cli.app import main; sys.exit(main(sys.argv[1:]))"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", limited, "data", "ingest", "sample", "--dataset", "us-close"],
        env={**os.environ, "INVESTLAB_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 5, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not list((tmp_path / "home" / "market").rglob("*.parquet"))


def test_a_broken_pipe_is_no_traceback(lab: Workspace) -> None:
    command = f'"{sys.executable}" -m investlab data list | true'
    outcome = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in outcome.stderr


def test_json_errors_have_the_one_shape(lab: Workspace, capsys: Capture) -> None:
    assert main(["--json", *RUN, *ON, "AAX"]) == 3
    body = capsys.readouterr().err
    assert '"type": "/problems/not_found"' in body
    assert '"request_id"' in body


def test_the_unexpected_is_one_sentence_too(lab: Workspace, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("investlab.services.runs.run_strategy", surprise)
    assert main([*RUN, *ON, "AAA"]) == 1
    sentence = one_sentence(capsys)
    assert "ZeroDivisionError" in sentence
    assert "secret detail" not in sentence
