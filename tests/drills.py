"""Repeat the checks that only show their worth in numbers, for hours if need be, and keep dated evidence.

    python tests/drills.py [--only NAME] [--hours 3] [--fresh]

Rounds are recorded one by one in var/drills/<code>.jsonl, where <code> names the exact state of the tracked and new
files: a run that was killed goes on where it stopped, and changed code starts from nothing. The evidence of the day is
var/drills/evidence-<date>.json. The exit code is 0 only when every drill is complete and no round failed.
"""

import argparse
import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "var" / "drills"
PYTEST = (sys.executable, "-m", "pytest", "-v", "-p", "no:nbval", "-n", "2")


@dataclass(frozen=True)
class Drill:
    """A command that is run `rounds` times; `{seed}` in it is another number each round."""

    name: str
    command: tuple[str, ...]
    rounds: int
    limit_seconds: int
    environment: Mapping[str, str] = field(default_factory=dict)


DRILLS = (
    Drill(
        name="fast-suite-in-random-order",
        command=(*PYTEST, "tests/unit", "-m", "not slow and not drill", "--randomly-seed={seed}"),
        rounds=100,
        limit_seconds=900,
    ),
    Drill(
        name="faults-200-rounds",
        command=(*PYTEST, "tests", "-m", "drill", "--randomly-seed={seed}"),
        rounds=1,
        limit_seconds=7200,
        environment={"INVESTLAB_FAULT_ROUNDS": "200"},
    ),
)


@dataclass(frozen=True)
class Round:
    """One line of the record."""

    drill: str
    number: int
    seed: int
    passed: bool
    seconds: float
    started_at: str
    ended_at: str


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    return subprocess.run(("git", *arguments), cwd=ROOT, check=True, capture_output=True).stdout


def code_name() -> str:
    """Name the code under test: the commit, and a digest of what differs from it."""
    commit = git("rev-parse", "--short=12", "HEAD").decode().strip()
    digest = hashlib.sha256(git("diff", "HEAD"))
    new = git("ls-files", "--others", "--exclude-standard", "-z").decode().split("\0")
    for name in filter(None, new):
        digest.update(name.encode() + (ROOT / name).read_bytes())
    clean = hashlib.sha256().digest() == digest.digest()
    return commit if clean else f"{commit}-dirty-{digest.hexdigest()[:8]}"


def seed_of(code: str, number: int) -> int:
    """Return a seed that differs by round and by code, and can be told again."""
    return int.from_bytes(hashlib.sha256(f"{code} {number}".encode()).digest()[:4]) // 2


def recorded(record: Path) -> list[Round]:
    """Read the rounds done so far; a last line cut short by a kill is dropped."""
    rounds = []
    for line in record.read_text().splitlines() if record.exists() else []:
        try:
            rounds.append(Round(**json.loads(line)))
        except json.JSONDecodeError:
            continue
    return rounds


def append(record: Path, done: Round) -> None:
    """Add a round to the record, on disk before the next begins."""
    with record.open("a+") as file:
        file.seek(max(file.tell() - 1, 0))
        if file.read(1) not in ("", "\n"):
            file.write("\n")
        file.write(json.dumps(asdict(done)) + "\n")
        file.flush()
        os.fsync(file.fileno())


def now() -> str:
    """Return the time of the wall clock, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_round(drill: Drill, number: int, seed: int, log: Path) -> Round:
    """Run one round; its output is kept only when it fails."""
    command = [part.replace("{seed}", str(seed)) for part in drill.command]
    started_at, started = now(), time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | drill.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            passed = process.wait(drill.limit_seconds) == 0
        except subprocess.TimeoutExpired:
            output.write(f"\nstopped after {drill.limit_seconds} seconds\n")
            passed = False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if passed:
        log.unlink()
    return Round(drill.name, number, seed, passed, round(time.monotonic() - started, 1), started_at, now())


def machine() -> dict[str, object]:
    """Return the facts a reader needs to judge the figures."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "memory_gib": round(memory, 1),
    }


def write_evidence(code: str, drills: tuple[Drill, ...], rounds: list[Round]) -> None:
    """Write what the record says, whole or not at all."""
    evidence = {"code": code, "machine": machine(), "drills": [summary(drill, rounds) for drill in drills]}
    target = FOLDER / f"evidence-{datetime.now(UTC).date()}.json"
    draft = target.with_suffix(".tmp")
    draft.write_text(json.dumps(evidence, indent=2) + "\n")
    draft.replace(target)


def summary(drill: Drill, rounds: list[Round]) -> dict[str, object]:
    """Sum one drill up."""
    own = [done for done in rounds if done.drill == drill.name]
    return {
        "name": drill.name,
        "command": " ".join(("python", *drill.command[1:])),
        "environment": dict(drill.environment),
        "rounds_wanted": drill.rounds,
        "rounds": len(own),
        "failures": sum(not done.passed for done in own),
        "failed_seeds": [done.seed for done in own if not done.passed],
        "complete": len(own) >= drill.rounds,
        "seconds": round(sum(done.seconds for done in own), 1),
        "started_at": min((done.started_at for done in own), default=None),
        "ended_at": max((done.ended_at for done in own), default=None),
    }


def missing(drills: tuple[Drill, ...], rounds: list[Round]) -> Iterator[tuple[Drill, int]]:
    """Yield the rounds that the record does not hold yet."""
    done = {(round_.drill, round_.number) for round_ in rounds}
    for drill in drills:
        for number in range(drill.rounds):
            if (drill.name, number) not in done:
                yield drill, number


def main() -> int:
    """Run the missing rounds until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[drill.name for drill in DRILLS], help="run this drill alone")
    parser.add_argument("--hours", type=float, default=3.0, help="begin no round after this time")
    parser.add_argument("--fresh", action="store_true", help="forget the rounds recorded for this code")
    options = parser.parse_args()
    chosen = tuple(drill for drill in DRILLS if options.only in (None, drill.name))

    FOLDER.mkdir(parents=True, exist_ok=True)
    code, deadline = code_name(), time.monotonic() + options.hours * 3600
    record = FOLDER / f"{code}.jsonl"
    if options.fresh:
        record.unlink(missing_ok=True)
    rounds = recorded(record)
    for drill, number in missing(chosen, rounds):
        if time.monotonic() > deadline:
            print(f"{options.hours} hours are up; run it again to go on")
            break
        done = run_round(drill, number, seed_of(code, number), FOLDER / f"{code}-{drill.name}-{number}.log")
        append(record, done)
        rounds.append(done)
        write_evidence(code, DRILLS, rounds)
        print(f"{drill.name} {number + 1}/{drill.rounds}: {'passed' if done.passed else 'FAILED'}", flush=True)

    write_evidence(code, DRILLS, rounds)
    sums = [summary(drill, rounds) for drill in chosen]
    for line in sums:
        print(f"{line['name']}: {line['rounds']} of {line['rounds_wanted']} rounds, {line['failures']} failures")
    return 0 if all(line["complete"] and not line["failures"] for line in sums) else 1


if __name__ == "__main__":
    sys.exit(main())
