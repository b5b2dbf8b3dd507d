"""Extension points: found by name, loaded when asked for, collisions and unknown names named."""

import sys
from importlib.metadata import EntryPoint

import pytest

from investlab.core import extensions
from investlab.core.errors import Conflict, NotFound
from investlab.core.extensions import GROUPS, PROVIDERS, load_extension


def declare(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    declared = [EntryPoint(name, value, PROVIDERS) for name, value in points]
    monkeypatch.setattr(extensions, "entry_points", lambda group: declared)


def test_a_declared_extension_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, ("mine", "json:dumps"))
    assert load_extension(PROVIDERS, "mine") is sys.modules["json"].dumps


def test_an_unknown_name_names_near_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, ("sample", "json:dumps"))
    with pytest.raises(NotFound, match="Unknown provider 'sampel'. Did you mean sample?"):
        load_extension(PROVIDERS, "sampel")


def test_two_targets_of_one_name_collide(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, ("mine", "json:dumps"), ("mine", "json:loads"))
    with pytest.raises(Conflict, match="declared twice: json:dumps and json:loads"):
        load_extension(PROVIDERS, "mine")


def test_the_same_target_seen_twice_is_no_collision(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, ("mine", "json:dumps"), ("mine", "json:dumps"))
    assert load_extension(PROVIDERS, "mine") is sys.modules["json"].dumps


@pytest.mark.parametrize("group", GROUPS)
def test_every_extension_of_the_package_loads(group: str) -> None:
    found = extensions.extensions(group)
    assert found
    assert all(load_extension(group, extension.name) for extension in found)


def test_every_group_has_a_word_for_its_members() -> None:
    for group in GROUPS:
        with pytest.raises(NotFound, match=r"Unknown [a-z ]+ 'no-such'") as caught:
            load_extension(group, "no-such")
        assert group not in str(caught.value)
