"""Stats add up over threads, subtract into intervals, and hold the accounting identity."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.base.errors import AccountingError
from shards.loader.stats import STAGES, WAIT, Accounting, Clock, Queue, Snapshot, Stats, Times
from tests.shards.fake_time import FakeTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


def test_time_is_added_by_stage_also_when_the_block_raises(clock: FakeTime) -> None:
    stats = Stats()
    with pytest.raises(RuntimeError, match="bad"), stats.time("read"):
        clock.pass_by(0.25)
        raise RuntimeError("bad")
    assert stats.seconds == {stage: 0.25 if stage == "read" else 0 for stage in STAGES}


def test_a_block_takes_the_time_that_really_passes() -> None:
    stats = Stats()
    with stats.time("read"):
        threading.Event().wait(0.01)
    assert stats.seconds["read"] >= 0.009


def test_threads_add_up() -> None:
    stats = Stats()

    def work() -> None:
        for _ in range(200):
            stats.count_decoded("dali")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.snapshot().decoded == {"dali": 800}


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
    assert interval.seconds["read"] == 0 and interval.wait_seconds == stats.wait_seconds == 0.5


def test_the_identity_holds_or_raises() -> None:
    Accounting(planned=10, delivered=8, failed=2, substituted=2).check(training=True)
    Accounting(planned=10, delivered=8, failed=2).check(training=False)
    for wrong in (
        Accounting(planned=10, delivered=8, failed=1, substituted=1),
        Accounting(planned=10, delivered=8, failed=2, substituted=1),
    ):
        with pytest.raises(AccountingError, match=r"planned 10 must equal delivered 8 \+ failed"):
            wrong.check(training=True)
    with pytest.raises(AccountingError, match="and substituted 2 must equal 0"):
        Accounting(planned=10, delivered=8, failed=2, substituted=2).check(training=False)


def test_ranks_add_up_and_tried_counts_every_attempt() -> None:
    one = Accounting(planned=4, delivered=3, failed=1, substituted=1, failed_attempts=2, padded=0)
    two = one + one
    assert two.planned == 8 and two - one == one
    assert one.tried == 6  # three planned ones, the failed one, a failed substitute, the good substitute


# ---- times


def clocked(nanoseconds: list[int]) -> Times:
    clock = Clock()
    for value in nanoseconds:
        clock.note(value)
    return clock.times()


DURATIONS = st.lists(st.integers(0, 1 << 45), min_size=1, max_size=60)


@given(values=DURATIONS, share=st.floats(0, 1))
def test_a_quantile_is_right_to_six_percent(values: list[int], share: float) -> None:
    times = clocked(values)
    exact = sorted(values)[min(int(share * len(values)), len(values) - 1)]
    clipped = min(max(exact, 1 << 10), 1 << 40) / 1e9  # a microsecond to 18 minutes
    assert math.isclose(times.quantile(share), clipped, rel_tol=0.0625)
    assert times.count == times.items == len(values)
    assert math.isclose(times.seconds, sum(values) / 1e9)


@given(values=DURATIONS)
def test_octaves_count_what_took_less(values: list[int]) -> None:
    for border, runs in clocked(values).octaves():
        assert runs == sum(value < round(border * 1e9) for value in values)


@given(first=DURATIONS, second=DURATIONS)
def test_times_of_an_interval_are_those_noted_in_it(first: list[int], second: list[int]) -> None:
    whole, before, after = clocked(first + second), clocked(first), clocked(second)
    assert (whole - before).buckets == after.buckets and (whole - before).items == len(second)
    assert (before + after).buckets == whole.buckets


def test_memory_is_bounded_however_many_runs_there_are() -> None:
    clock = Clock()
    size = len(clock.times().buckets)
    for value in range(0, 1 << 50, 1 << 38):
        clock.note(value)
    assert len(clock.times().buckets) == size == 242


def test_nothing_noted_has_no_quantile_and_no_rate() -> None:
    empty = Snapshot({stage: Times() for stage in (*STAGES, WAIT)})
    assert empty.times["read"].quantile(0.99) == 0 and empty.items_per_second("read") == 0 and empty.wait_share == 0
    assert empty.queue.mean_ready == 0


def test_one_run_may_work_on_many_items() -> None:
    stats = Stats()
    with stats.time("collate", 32):
        pass
    times = stats.snapshot().times["collate"]
    assert (times.count, times.items) == (1, 32)


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


def test_no_note_is_lost_between_threads() -> None:
    stats = Stats()

    def work() -> None:
        for _ in range(2000):
            with stats.time("read"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.snapshot().times["read"].count == stats.snapshot().times["read"].items == 8000


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
