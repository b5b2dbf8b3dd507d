"""Which executor is chosen, and what it says about why."""

import pytest

from investlab.core.config import ExecutorChoice, Settings
from investlab.core.errors import ExecutionFailed, InvalidInput
from investlab.core.executor import SerialExecutor
from investlab.services import executors
from investlab.services.executors import choose_executor


@pytest.mark.parametrize(
    ("setting", "requested", "estimate", "reason"),
    [
        pytest.param(None, "serial", 100.0, "executor=serial", id="asked-for"),
        pytest.param("serial", "ray", 100.0, "INVESTLAB_EXECUTOR=serial", id="setting-overrides"),
        pytest.param(None, "auto", 4.9, "auto: about 4.9 s of work, less than 5 s", id="too-little-work"),
        pytest.param("auto", "ray", 0.1, "auto: about 0.1 s of work, less than 5 s", id="setting-auto"),
    ],
)
def test_serial_is_chosen_and_says_why(
    setting: ExecutorChoice | None, requested: ExecutorChoice, estimate: float, reason: str
) -> None:
    with choose_executor(Settings(executor=setting), requested, lambda: estimate) as executor:
        assert isinstance(executor, SerialExecutor)
        assert executor.map(lambda shared, item: shared + item, 1, [1]).reason == reason


@pytest.mark.parametrize(
    ("seconds", "address", "name", "reason"),
    [
        pytest.param(0.002, None, "serial", "auto: about 0.0 s of work, less than 60 s", id="too-little-for-threads"),
        pytest.param(59.0, None, "threads", "auto: about 59.0 s of work, less than 60 s, on 2 threads", id="threads"),
        pytest.param(
            4.0, "127.0.0.1:1", "threads", "auto: about 4.0 s of work, less than 5 s, on 2 threads", id="head"
        ),
    ],
)
def test_work_that_threads_share_stays_longer_in_this_process(
    seconds: float, address: str | None, name: str, reason: str
) -> None:
    with choose_executor(Settings(ray_address=address), "auto", lambda: seconds, threads=2) as executor:
        assert (executor.name, executor.reason) == (name, reason)


def test_threads_are_chosen_when_asked_for() -> None:
    with choose_executor(Settings(), "threads", lambda: 0.0) as executor:
        assert executor.map(lambda shared, item: shared + item, 1, [1, 2]).results == [2, 3]
        assert (executor.name, executor.reason) == ("threads", "executor=threads")


def test_one_worker_is_not_worth_a_head() -> None:
    with choose_executor(Settings(ray_workers=1), "auto", lambda: 60.0) as executor:
        assert executor.name == "serial"


def test_an_unknown_executor_is_named() -> None:
    with pytest.raises(InvalidInput, match="Use one of auto, serial, threads, ray"):
        choose_executor(Settings(), "spark", lambda: 0.0)


def test_auto_runs_serially_and_says_so_when_ray_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(settings: Settings, reason: str) -> None:
        raise ExecutionFailed("The Ray head did not start.")

    monkeypatch.setattr(executors, "_ray", fails)
    with choose_executor(Settings(), "auto", lambda: 60.0) as executor:
        assert isinstance(executor, SerialExecutor)
        assert executor.reason.endswith("serial because Ray is not to be had: The Ray head did not start.")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "estimate", "reason"),
    [
        pytest.param(None, 60.0, "auto: about 60.0 s of work", id="much-work"),
        pytest.param("ray", 0.0, "INVESTLAB_EXECUTOR=ray", id="setting-overrides"),
    ],
)
def test_ray_is_chosen_and_says_why(setting: ExecutorChoice | None, estimate: float, reason: str) -> None:
    with choose_executor(Settings(executor=setting), "auto", lambda: estimate) as executor:
        outcome = executor.map(lambda shared, item: shared + item, 1, [1, 2])
    assert (outcome.executor, outcome.results, outcome.reason) == ("ray", [2, 3], reason)
