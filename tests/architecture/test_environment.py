"""pyproject.toml, requirements.lock, environment.yml and the installed libraries agree, and no file names a machine."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
DIRECT = [
    Requirement(line)
    for group in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for line in group
]

# Joined here so that this file does not find itself.
HOSTS = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("repo", "anaconda", "com"))]
PLACES = ["/".join(("", *parts, "")) for parts in (("work", "main"), ("work", "shared"), ("root",))]
FORBIDDEN = re.compile("|".join(map(re.escape, HOSTS + PLACES)))


def locked_blocks() -> list[tuple[Requirement, str]]:
    """Return each pin of the lock with the text that belongs to it."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", "\n" + LOCK.split("\n", 2)[2])
    return [(Requirement(block.split("\\")[0].strip()), block) for block in blocks if block.strip()]


PINS = {canonicalize_name(pin.name): pin for pin, _ in locked_blocks()}


def tracked_files() -> list[Path]:
    """Return the files that git knows or would add."""
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in found.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda requirement: requirement.name)
def test_a_direct_dependency_has_a_floor_that_lock_and_installation_meet(requirement: Requirement) -> None:
    assert any(part.operator == ">=" for part in requirement.specifier), "a floor is missing"
    (pin,) = PINS[canonicalize_name(requirement.name)].specifier
    assert requirement.specifier.contains(pin.version)
    assert requirement.specifier.contains(version(requirement.name))


def test_every_pin_is_exact_and_carries_hashes() -> None:
    assert len(PINS) > 200
    for pin, block in locked_blocks():
        assert [part.operator for part in pin.specifier] == ["=="], pin
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), pin


def test_the_lock_names_no_address_and_the_command_that_makes_it() -> None:
    assert "://" not in LOCK
    assert "index-url" not in LOCK
    assert LOCK.splitlines()[1] == "#    make lock"


def test_what_builds_the_package_is_locked() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for requirement in map(Requirement, build):
        (pin,) = PINS[canonicalize_name(requirement.name)].specifier
        assert requirement.specifier.contains(pin.version)


def test_conda_takes_its_packages_from_the_lock_alone() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert pip == "pip"
    assert packages == {"pip": ["-r requirements.lock"]}
    assert Requirement(python).specifier == SpecifierSet(PROJECT["requires-python"])


def test_python_is_one_the_project_supports() -> None:
    supported = SpecifierSet(PROJECT["requires-python"])
    assert supported.contains("{}.{}.{}".format(*sys.version_info))
    assert not supported.contains("3.11.9")
    assert not supported.contains("3.14.0")


def test_platform_is_a_source_root_and_never_a_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists(), "it would shadow the standard library's platform module"


def test_no_file_names_a_package_index_or_a_place_on_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in tracked_files()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "ignore").splitlines(), 1)
        if (match := FORBIDDEN.search(line))
    ]
    assert not found
