"""What runs beside requests goes on whatever happens to it."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from starlette.responses import Response

from investlab.api import runtime
from investlab.api.exchange import ERROR_STATE
from investlab.api.scoring import answer
from investlab.api.watching import tend
from investlab.core.errors import InvalidInput, InvestlabError, StorageUnavailable
from investlab.schemas.serving import PredictRequest
from investlab.services.model_host import ModelHost
from tests.support.serving import KeptRecords, ScriptedSource, artifact_of, load_sum

REQUEST = PredictRequest(features=({"alpha": 1.0},))


class BrokenSpool:
    """A spool on a disk that fails."""

    def sync(self) -> None:
        raise StorageUnavailable("The disk reports an error.")


def test_a_failing_disk_does_not_keep_a_promotion_away() -> None:
    source = ScriptedSource()
    source.promote(artifact_of(1.0, 2.0, 3.0), 1)
    host = ModelHost(source, load_sum)
    tend(host, BrokenSpool())
    assert host.current().info.number == 1


def test_work_that_fails_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "AGAIN_SECONDS", 0.0)
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise RuntimeError("broken")
        await asyncio.Event().wait()

    async def play() -> None:
        task = asyncio.create_task(runtime._kept_going("work", work))
        while begun < 3:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(play(), 10))
    assert begun == 3


@dataclass(slots=True)
class Failing:
    """A prediction service that raises."""

    error: Exception
    log: KeptRecords = field(default_factory=KeptRecords)

    def is_quick(self, request: PredictRequest) -> bool:
        return True

    def predict(self, request: PredictRequest, request_id: str) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        pytest.param(InvalidInput("Row 0 lacks beta."), InvalidInput, 422, id="ours"),
        pytest.param(ValueError("secret"), InvestlabError, 500, id="unexpected"),
    ],
)
def test_errors_are_left_for_the_edge(error: Exception, kind: type[InvestlabError], status: int) -> None:
    state: dict[str, object] = {"request_id": "r-1"}
    context = SimpleNamespace(
        request=SimpleNamespace(scope={"state": state}), response=SimpleNamespace(status_code=200)
    )
    given = asyncio.run(answer(Failing(error), REQUEST, context))
    assert isinstance(given, Response)
    assert (given.status_code, context.response.status_code) == (status, status)
    assert isinstance(state[ERROR_STATE], kind)
    assert "secret" not in str(state[ERROR_STATE])
