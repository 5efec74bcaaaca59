"""Stats: times are added up over threads, also when a block raises, and no note is lost."""

from __future__ import annotations

import threading

import pytest

from shards.loader.snapshot import STAGES
from shards.loader.stats import Stats
from tests.shards.fake_time import FakeTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)


def test_time_is_added_by_stage_also_when_the_block_raises(clock: FakeTime) -> None:
    stats = Stats()
    with pytest.raises(RuntimeError, match="bad"), stats.time("read"):
        clock.pass_by(0.25)
        raise RuntimeError("bad")
    assert stats.snapshot().seconds == {stage: 0.25 if stage == "read" else 0 for stage in STAGES}


def test_a_block_takes_the_time_that_really_passes() -> None:
    stats = Stats()
    with stats.time("read"):
        threading.Event().wait(0.01)
    assert stats.snapshot().seconds["read"] >= 0.009


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


def test_one_run_may_work_on_many_items() -> None:
    stats = Stats()
    with stats.time("collate", 32):
        pass
    times = stats.snapshot().times["collate"]
    assert (times.count, times.items) == (1, 32)


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
