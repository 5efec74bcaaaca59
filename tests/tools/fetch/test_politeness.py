"""Manners: requests to one host are few and apart; Retry-After is understood in both of its forms."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from itertools import pairwise

import pytest

from tools.fetch.politeness import Hosts, Manners, retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("7", 7), (" 120 ", 120), ("-3", 0), ("1e9", 0), ("9" * 30, 0), ("soon", 0), ("٣", 0)],
)
def test_retry_after_in_seconds(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after(formatdate(1_000_090, usegmt=True), now=1_000_000) == 90
    assert retry_after(formatdate(999_000, usegmt=True), now=1_000_000) == 0


def test_a_host_has_few_requests_at_once_and_they_begin_apart() -> None:
    begins: dict[str, list[float]] = {"a": [], "b": []}
    most = {"a": 0, "b": 0}
    now = {"a": 0, "b": 0}

    async def ask(hosts: Hosts, name: str) -> None:
        async with hosts.turn(name):
            begins[name].append(time.monotonic())
            now[name] += 1
            most[name] = max(most[name], now[name])
            await asyncio.sleep(0.03)
            now[name] -= 1

    async def run() -> None:
        hosts = Hosts(Manners(per_host=2, delay=0.02))
        await asyncio.gather(*(ask(hosts, name) for name in "ab" * 6))

    asyncio.run(run())
    for name, times in begins.items():
        assert len(times) == 6 and most[name] <= 2
        assert min(after - before for before, after in pairwise(times)) > 0.015


def test_a_host_is_left_alone_for_the_time_it_asks_for() -> None:
    async def run() -> float:
        hosts = Hosts(Manners(delay=0))
        hosts.leave_alone("a", 0.2)
        begin = time.monotonic()
        async with hosts.turn("b"):
            assert time.monotonic() - begin < 0.1
        async with hosts.turn("a"):
            return time.monotonic() - begin

    assert asyncio.run(run()) >= 0.2


def test_hosts_that_are_not_used_are_forgotten() -> None:
    async def run() -> int:
        hosts = Hosts(Manners(delay=0))
        for number in range(5000):
            async with hosts.turn(f"h{number}"):
                pass
        return len(hosts._hosts)

    assert asyncio.run(run()) <= 4097
