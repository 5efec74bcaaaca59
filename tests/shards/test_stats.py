"""Stats add up over threads, subtract into intervals, and hold the accounting identity."""

from __future__ import annotations

import threading

import pytest

from shards.stats import STAGES, Accounting, AccountingError, Stats


def test_time_is_added_by_stage_also_when_the_block_raises() -> None:
    stats = Stats()
    with pytest.raises(RuntimeError, match="bad"), stats.time("read"):
        threading.Event().wait(0.01)
        raise RuntimeError("bad")
    assert stats.seconds["read"] >= 0.009
    assert [stats.seconds[stage] for stage in STAGES if stage != "read"] == [0, 0, 0]


def test_threads_add_up() -> None:
    stats = Stats()

    def work() -> None:
        for _ in range(200):
            stats.hand_over(Accounting(planned=1, delivered=1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stats.accounting == Accounting(planned=800, delivered=800)
    assert stats.snapshot().num_batches == 800


def test_snapshots_subtract_and_name_the_slowest_stage() -> None:
    stats = Stats()
    with stats.time("read"):
        threading.Event().wait(0.02)
    before = stats.snapshot()
    with stats.time("decode"):
        threading.Event().wait(0.005)
    with stats.waiting():
        threading.Event().wait(0.005)
    interval = stats.snapshot() - before
    assert stats.snapshot().slowest == "read" and interval.slowest == "decode"
    assert interval.seconds["read"] == 0 and interval.wait_seconds >= 0.004
    assert stats.wait_seconds == interval.wait_seconds


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
