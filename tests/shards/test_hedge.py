"""What is slow to come is asked for again, seldom; the first answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shards.hedge import Hedge


def ask_of(answers: list[str]) -> tuple[Callable[[], Awaitable[str]], list[str]]:
    """What is asked: "hang" never comes, "bad" raises, anything else comes at once; and what became of each."""
    became: list[str] = []

    async def ask() -> str:
        answer = answers.pop(0) if answers else "good"
        try:
            if answer == "hang":
                await asyncio.Event().wait()
            if answer == "bad":
                raise ValueError("bad answer")
        except asyncio.CancelledError:
            became.append("cancelled")
            raise
        became.append(answer)
        return answer

    return ask, became


async def used_to(num_requests: int = 100) -> Hedge:
    hedge = Hedge()
    for _ in range(num_requests):
        assert await hedge.first(ask_of([])[0]) == "good"
    return hedge


def test_the_first_answer_counts_and_the_others_are_cancelled() -> None:
    async def run() -> None:
        hedge = await used_to()
        ask, became = ask_of(["hang", "hang", "third"])
        assert await asyncio.wait_for(hedge.first(ask), 20) == "third"
        assert became == ["third", "cancelled", "cancelled"]

    asyncio.run(run())


def test_an_error_is_an_answer() -> None:
    async def run() -> None:
        hedge = await used_to()
        ask, became = ask_of(["hang", "bad"])
        with pytest.raises(ValueError, match="bad answer"):
            await asyncio.wait_for(hedge.first(ask), 20)
        assert became == ["cancelled"]

    asyncio.run(run())


def test_nothing_is_sent_again_before_enough_was_measured() -> None:
    async def run() -> None:
        hedge = await used_to(40)
        ask, became = ask_of(["hang"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hedge.first(ask), 0.1)
        assert became == ["cancelled"]

    asyncio.run(run())


def test_no_more_than_one_in_twenty_is_sent_again() -> None:
    async def run() -> None:
        hedge = await used_to(100)
        asked = 0

        async def never() -> None:
            nonlocal asked
            asked += 1
            await asyncio.Event().wait()

        requests = [asyncio.ensure_future(hedge.first(never)) for _ in range(100)]
        await asyncio.wait(requests, timeout=0.3)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        assert 100 < asked <= 110

    asyncio.run(run())
