"""deploy/setup.sh: which Python it takes, when it does nothing, and what it says when there is none."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "cat", "dirname", "flock", "grep", "ls", "mkdir", "mv", "rm", "sed", "sha256sum", "sleep")

GOOD = f'exec "{sys.executable}" "$@"'
FAILING_SHIM = 'echo "pyenv: command not found" >&2; exit 127'
TOO_OLD = "exit 1"  # what the probe exits with under Python 3.11
NO_PIP = 'case "$*" in *pip*) exit 1;; esac; exit 1'


class Machine:
    """A copy of the set-up script on a machine that has only the commands given to it."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self.bin = folder / "bin"
        self.home = folder / "home"
        for made in (self.clone / "deploy", self.bin, self.home):
            made.mkdir(parents=True)
        for name in ("setup.sh", "find-python.sh"):
            (self.clone / "deploy" / name).write_bytes((ROOT / "deploy" / name).read_bytes())
        for name in ("pyproject.toml", "requirements.lock"):
            (self.clone / name).write_text(f"# {name}\n")
        for tool in TOOLS:
            found = subprocess.run(["which", tool], capture_output=True, text=True, check=False).stdout.strip()
            if found:
                (self.bin / tool).symlink_to(found)

    def command(self, path: Path, script: str) -> Path:
        """Put an executable script at a path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command that sees nothing of the real machine but its tools."""
        env = {"PATH": str(self.bin), "HOME": str(self.home)} | environment
        return subprocess.run(command, cwd=self.clone, env=env, capture_output=True, text=True, check=False, timeout=60)

    def chosen(self, **environment: str) -> str:
        """Return the interpreter that find_python chooses, or what it tried."""
        script = 'root=$PWD; . deploy/find-python.sh; find_python && echo "$python" || echo "$tried"'
        return self.run("bash", "-c", script, **environment).stdout.strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def good(machine: Machine) -> str:
    """Return what the probe prints for a Python that suits: the base interpreter."""
    return machine.chosen(PYTHON=sys.executable)


def test_a_failing_shim_and_an_old_python_are_passed_over(machine: Machine, good: str) -> None:
    machine.command(machine.bin / "python3.13", FAILING_SHIM)
    machine.command(machine.bin / "python3.12", TOO_OLD)
    machine.command(machine.bin / "python3", GOOD)
    assert machine.chosen() == good


def test_python_named_by_the_user_comes_first(machine: Machine, good: str) -> None:
    machine.command(machine.bin / "python3.13", 'echo "never asked" >&2; exit 1')
    asked = machine.command(machine.home / "mine", f'echo asked >>"{machine.home}/log"; {GOOD}')
    assert machine.chosen(PYTHON=str(asked)) == good
    assert (machine.home / "log").read_text() == "asked\n"


def test_a_python_named_by_the_user_that_is_too_old_is_passed_over(machine: Machine, good: str) -> None:
    old = machine.command(machine.home / "old", TOO_OLD)
    machine.command(machine.bin / "python3", GOOD)
    assert machine.chosen(PYTHON=str(old)) == good


@pytest.mark.parametrize("place", ["PYENV_ROOT", "HOME"])
def test_pyenv_is_searched_for_versions_that_are_not_selected(machine: Machine, good: str, place: str) -> None:
    pyenv = machine.home / ".pyenv"
    machine.command(machine.bin / "python3.12", FAILING_SHIM)
    machine.command(pyenv / "versions" / "3.12.1" / "bin" / "python", GOOD)
    environment = {"PYENV_ROOT": str(pyenv), "HOME": "/nowhere"} if place == "PYENV_ROOT" else {}
    assert machine.chosen(**environment) == good


def test_uv_on_path_is_asked_last(machine: Machine, good: str) -> None:
    suited = machine.command(machine.home / "uv-python", GOOD)
    machine.command(machine.bin / "uv", f'[ "$2" = find ] && echo "{suited}"; exit 0')
    assert machine.chosen() == good


def test_without_any_python_every_way_is_named_and_nothing_is_made(machine: Machine) -> None:
    for name in ("python3.13", "python3.12", "python3", "python"):
        machine.command(machine.bin / name, NO_PIP)
    done = machine.run("bash", "deploy/setup.sh", PYTHON="python2")
    assert done.returncode == 1
    for way in ("PYTHON=python2", "on PATH runs", "pyenv holds", "no uv on PATH", "Install one", "uv python install"):
        assert way in done.stderr
    assert not (machine.clone / ".venv").exists()


def test_uv_that_cannot_download_is_said(machine: Machine) -> None:
    machine.command(machine.bin / "uv", '[ "$1" = --version ]')
    done = machine.run("bash", "deploy/setup.sh")
    assert done.returncode == 1
    assert "could not download one" in done.stderr


class Installed(Machine):
    """A machine whose uv makes a venv out of a script and can be told to fail at installing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.command(self.bin / "python3", GOOD)
        for name in ("touch", "chmod"):
            (self.bin / name).symlink_to(f"/bin/{name}")
        python = f"""case "$*" in *"-m pip"*|*provide_libgomp*) exit 0;; esac; {GOOD}"""
        make = f"""mkdir -p .venv/bin; echo "$PWD/.venv" >.venv/bin/activate
cat >.venv/bin/python <<'END'
#!/bin/bash
{python}
END
chmod +x .venv/bin/python"""
        self.command(
            self.bin / "uv",
            f"""echo "$1" >>"{self.home}/log"
case "$1" in
venv) {make};;
pip) [ ! -e "{self.home}/offline" ];;
esac""",
        )

    def setup(self) -> subprocess.CompletedProcess[str]:
        """Run the script and forget the calls before it."""
        (self.home / "log").unlink(missing_ok=True)
        return self.run("bash", "deploy/setup.sh")

    @property
    def made_anew(self) -> bool:
        """Say whether the last run made the venv rather than synced it."""
        return "venv" in self.calls

    @property
    def calls(self) -> list[str]:
        """Return what uv was asked for in the last run."""
        log = self.home / "log"
        return log.read_text().split() if log.exists() else []


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    machine = Installed(tmp_path)
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert machine.made_anew
    return machine


def test_a_second_run_does_nothing(installed: Installed) -> None:
    done = installed.setup()
    assert (done.returncode, done.stdout, installed.calls) == (0, "", [])


def test_two_at_once_make_one_venv(installed: Installed) -> None:
    (installed.clone / ".venv" / "setup-stamp").unlink()
    (installed.home / "log").unlink()
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: installed.run("bash", "deploy/setup.sh"), range(2)))
    assert [one.returncode for one in done] == [0, 0]
    assert installed.calls.count("venv") == 1


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_syncs_the_venv(installed: Installed, name: str) -> None:
    (installed.clone / name).write_text("# changed\n")
    assert "up to date" in installed.setup().stdout
    assert not installed.made_anew
    assert installed.setup().stdout == ""


def test_a_venv_without_stamp_was_interrupted_and_is_made_anew(installed: Installed) -> None:
    (installed.clone / ".venv" / "setup-stamp").unlink()
    assert installed.setup().returncode == 0
    assert installed.made_anew


def test_a_clone_that_moved_gets_a_new_venv(installed: Installed) -> None:
    installed.clone = installed.clone.rename(installed.clone.with_name("moved"))
    assert installed.setup().returncode == 0
    assert installed.made_anew


def test_a_failed_install_leaves_no_stamp_of_success(installed: Installed) -> None:
    lock, stamp = installed.clone / "requirements.lock", installed.clone / ".venv" / "setup-stamp"
    before = stamp.read_text()
    lock.write_text("# changed\n")
    (installed.home / "offline").touch()
    installed.command(installed.clone / ".venv" / "bin" / "python", f'case "$*" in *pip*) exit 1;; esac; {GOOD}')
    done = installed.setup()
    assert done.returncode == 1
    assert "could not be installed" in done.stderr
    assert stamp.read_text() == before, "the next run must sync again, not start from nothing"
