"""The model host follows promotions, and nothing that breaks takes a good model away."""

import pytest

from investlab.core.errors import ModelUnavailable, StorageUnavailable
from investlab.services.model_host import ModelHost
from tests.support.serving import ScriptedSource, artifact_of, load_sum, version_of

FIRST, SECOND = artifact_of(1.0, 2.0, 3.0), artifact_of(3.0, 2.0, 1.0)


def hosting(content: bytes = FIRST) -> tuple[ScriptedSource, ModelHost]:
    source = ScriptedSource()
    source.promote(content, 1)
    host = ModelHost(source, load_sum)
    host.refresh()
    return source, host


def test_without_a_champion_the_remedy_is_named() -> None:
    host = ModelHost(ScriptedSource(), load_sum)
    assert host.refresh() is False
    with pytest.raises(ModelUnavailable, match=r"investlab demo.*investlab model promote us-ranker"):
        host.current()
    assert host.health().status == "unavailable"
    assert "investlab demo" in host.health().detail


def test_the_champion_is_loaded_and_said_to_be_served() -> None:
    _, host = hosting()
    health = host.health()
    assert (health.status, health.model, health.model_version) == ("ok", "us-ranker", 1)
    assert health.artifact_sha256 == version_of(FIRST).artifact_sha256
    assert host.current().predictor.scores is not None


def test_a_promotion_is_noticed_at_the_next_refresh() -> None:
    source, host = hosting()
    source.promote(SECOND, 2)
    assert host.current().info.number == 1
    assert host.refresh() is True
    assert host.current().info.number == 2


def test_a_refresh_without_a_change_reads_no_artifact() -> None:
    source, host = hosting()
    assert host.refresh() is False
    assert source.reads == 1


def test_a_roll_back_needs_no_reading() -> None:
    source, host = hosting()
    source.promote(SECOND, 2)
    host.refresh()
    source.version, source.content = version_of(FIRST, 1), b"gone"
    assert host.refresh() is True
    assert (host.current().info.number, source.reads) == (1, 2)


def test_a_version_long_gone_is_read_again() -> None:
    source, host = hosting()
    for number in (2, 3):
        source.promote(SECOND, number)
        host.refresh()
    source.promote(FIRST, 1)
    host.refresh()
    assert source.reads == 4


@pytest.mark.parametrize(
    "content",
    [pytest.param(FIRST + b" ", id="another-hash"), pytest.param(b"", id="empty"), pytest.param(FIRST[:-2], id="cut")],
)
def test_a_damaged_artifact_never_unloads_a_good_model(content: bytes) -> None:
    source, host = hosting()
    source.promote(SECOND, 2)
    source.content = content
    assert host.refresh() is False
    assert host.current().info.number == 1
    health = host.health()
    assert (health.status, health.model_version) == ("degraded", 1)
    assert "us-ranker@2 is damaged" in health.detail


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"{", id="does-not-parse"),
        pytest.param(artifact_of(1.0), id="another-shape"),
        pytest.param(b'["x", "y", "z"]', id="raises-what-is-not-ours"),
    ],
)
def test_an_artifact_that_does_not_load_never_unloads_a_good_model(content: bytes) -> None:
    source, host = hosting()
    source.promote(content, 2)
    host.refresh()
    assert host.current().info.number == 1
    assert host.health().status == "degraded"


def test_the_host_heals_when_the_artifact_is_restored() -> None:
    source, host = hosting()
    source.promote(SECOND, 2)
    source.content = b"damaged"
    host.refresh()
    source.content = SECOND
    assert host.refresh() is True
    assert (host.health().status, host.health().model_version) == ("ok", 2)


def test_an_unreadable_registry_never_unloads_a_good_model() -> None:
    source, host = hosting()
    source.failure = StorageUnavailable("The database cannot be read.")
    host.refresh()
    assert host.current().info.number == 1
    assert (host.health().status, host.health().detail) == ("degraded", "The database cannot be read.")
    source.failure = None
    host.refresh()
    assert host.health().status == "ok"


def test_a_damaged_first_champion_is_told_with_its_reason() -> None:
    source = ScriptedSource()
    source.promote(FIRST, 1)
    source.content = b"damaged"
    host = ModelHost(source, load_sum)
    host.refresh()
    with pytest.raises(ModelUnavailable, match=r"could be loaded: The artifact of us-ranker@1 is damaged"):
        host.current()
    assert host.health().status == "unavailable"


def test_a_champion_that_vanishes_leaves_the_host_degraded() -> None:
    source, host = hosting()
    source.version = None
    host.refresh()
    assert host.current().info.number == 1
    assert host.health().status == "degraded"
