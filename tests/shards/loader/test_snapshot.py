"""Snapshot: rates, the slowest stage and the queue, of a run or of an interval."""

from __future__ import annotations

import pytest

from shards.loader.snapshot import STAGES, WAIT, Queue, Snapshot
from shards.loader.stats import Stats
from shards.loader.times import Times
from tests.shards.fake_time import FakeTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


def test_snapshots_subtract_and_name_the_slowest_stage(clock: FakeTime) -> None:
    stats = Stats()
    with stats.time("read"):
        clock.pass_by(4)
    before = stats.snapshot()
    with stats.time("decode"):
        clock.pass_by(1)
    with stats.waiting():
        clock.pass_by(0.5)
    interval = stats.snapshot() - before
    assert stats.snapshot().slowest == "read" and interval.slowest == "decode"
    assert interval.seconds["read"] == 0 and interval.wait_seconds == stats.snapshot().wait_seconds == 0.5


def test_nothing_noted_has_no_quantile_and_no_rate() -> None:
    empty = Snapshot({stage: Times() for stage in (*STAGES, WAIT)})
    assert empty.times["read"].quantile(0.99) == 0 and empty.items_per_second("read") == 0 and empty.wait_share == 0
    assert empty.queue.mean_ready == 0


def test_an_interval_tells_rates_and_the_share_of_waiting(clock: FakeTime) -> None:
    stats = Stats()
    before = stats.snapshot()
    with stats.waiting():
        clock.pass_by(1)
    for _ in range(5):
        with stats.time("read"):
            clock.pass_by(0.2)
    interval = stats.snapshot() - before
    assert interval.wait_share == pytest.approx(1 / 2) and interval.elapsed == pytest.approx(2)
    assert interval.items_per_second("read") == pytest.approx(5 / 2)
    assert (before + interval).times == stats.snapshot().times


def test_what_was_given_up_adds_and_subtracts() -> None:
    stats = Stats()
    stats.count_given_up(threads=1)
    before = stats.snapshot()
    stats.count_given_up()
    stats.count_given_up(threads=1)
    interval = stats.snapshot() - before
    assert (interval.given_up, interval.replaced_threads) == (2, 1)
    both = before + interval
    assert (both.given_up, both.replaced_threads) == (3, 2)


def test_the_queue_is_what_the_consumer_found() -> None:
    stats = Stats()
    stats.found(0, 1, 10)
    before = stats.snapshot()
    stats.found(3, 4, 400)
    stats.found(0, 2, 100)
    stats.found(2, 3, 300)
    queue = (stats.snapshot() - before).queue
    assert queue == Queue(asked=3, ready=5, empty=1, last_ready=2, last_batches=3, last_bytes=300)
    assert queue.mean_ready == pytest.approx(5 / 3)
    assert stats.snapshot().queue.empty == 2
