"""What is refused before it is registered, and is never handed to a reader."""

import pickle
import zlib

import pytest

from investlab.core.errors import Corrupt, InvalidInput
from investlab.ml.linear import LinearWeights
from investlab.schemas.registry import ArtifactFormat, InputSignature
from investlab.services.registry_checks import check_artifact, check_name

SIGNATURE = InputSignature(features=("momentum_12_1",), horizon_sessions=21)
CANARY: list[str] = []


class _Canary:
    """Reading a pickle of this writes into the list."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (CANARY.append, ("fired",))


def test_a_model_that_can_be_served_here_passes() -> None:
    check_artifact(LinearWeights(("momentum_12_1",), (1.0,)).to_bytes(), ArtifactFormat.LINEAR_JSON, SIGNATURE)


@pytest.mark.parametrize("artifact_format", ArtifactFormat)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_unread(artifact_format: ArtifactFormat, protocol: int) -> None:
    content = pickle.dumps(_Canary(), protocol=protocol)
    for given in (content, zlib.compress(content), b"", b"PK\x03\x04"):
        with pytest.raises(InvalidInput, match="pickle, joblib and other formats are refused"):
            check_artifact(given, artifact_format, SIGNATURE)
    assert CANARY == []


def test_an_artifact_that_does_not_load_is_refused() -> None:
    with pytest.raises(Corrupt):
        check_artifact(b'{"format": "something else"}', ArtifactFormat.LINEAR_JSON, SIGNATURE)


def test_features_that_are_unknown_here_are_named() -> None:
    signature = InputSignature(features=("momentum_12_1", "moon_phase"), horizon_sessions=21)
    with pytest.raises(InvalidInput, match="unknown here: moon_phase"):
        check_artifact(b"{}", ArtifactFormat.LINEAR_JSON, signature)


@pytest.mark.parametrize("name", ["", "US", "us ranker", "us@2", "../us", "a" * 65, "us-", "-us", "1st", "us.ranker\n"])
def test_a_name_that_cannot_stand_in_topics_and_paths_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name for a model"):
        check_name(name)


@pytest.mark.parametrize("name", ["us-ranker", "m", "a1-b2"])
def test_a_plain_name_passes(name: str) -> None:
    check_name(name)
