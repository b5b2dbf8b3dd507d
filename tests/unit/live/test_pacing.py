"""Pacing: a session is spread over its seconds, and nothing waits for the past."""

import asyncio

import pytest

from investlab.live.pacing import Pacer, at_once


def test_waits_end_at_fractions_of_the_session_and_never_lie_in_the_past() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def scenario() -> None:
        pacer = Pacer(1000.0, sleep)
        for fraction in (0.0, 0.5, 1.0):
            await pacer.wait(fraction)
        await Pacer(0.0, sleep).wait(1.0)

    asyncio.run(scenario())
    assert slept == [0.0, pytest.approx(500.0, abs=5.0), pytest.approx(1000.0, abs=5.0), 0.0]


def test_at_once_gives_others_a_turn() -> None:
    turns: list[str] = []

    async def other() -> None:
        turns.append("other")

    async def scenario() -> None:
        task = asyncio.create_task(other())
        await at_once(0.7)
        turns.append("mine")
        await task

    asyncio.run(scenario())
    assert turns == ["other", "mine"]
