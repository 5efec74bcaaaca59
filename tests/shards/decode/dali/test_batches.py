"""Clips that several threads bring run together, a bad one costs no other, and nobody is left waiting."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")

from shards.decode.dali import batches
from shards.decode.dali.batches import Batches
from shards.decode.dali.pipeline import Inputs
from shards.decode.decoder import Unsuitable

WAIT = 60


class Pipeline:
    """Gives each clip its own number back; a negative one is refused, and one below -99 breaks the pipeline."""

    def __init__(self, kind: str, device: int | None, most: int, num_threads: int) -> None:
        self.most, self.runs, self.gate, self.works = most, [], threading.Event(), True
        self.runs: list[list[int]]
        self.inside = threading.Lock()
        self.gate.set()
        MADE.append(self)

    def run(self, clips: Sequence[Inputs]) -> list[Any]:
        assert len(clips) <= self.most and self.works
        assert self.inside.acquire(blocking=False), "two threads run the pipeline"
        try:
            self.runs.append(numbers := [int(clip["number"]) for clip in clips])
            assert self.gate.wait(WAIT)
            if min(numbers) < 0:
                self.works = min(numbers) > -100
                raise Unsuitable("refused", str(min(numbers)))
            return numbers
        finally:
            self.inside.release()

    def still_works(self) -> bool:
        return self.works


MADE: list[Pipeline] = []


@pytest.fixture(autouse=True)
def _pipelines(monkeypatch: pytest.MonkeyPatch) -> None:
    MADE.clear()
    monkeypatch.setattr(batches, "ClipPipeline", Pipeline)


def clips(*numbers: int) -> list[Inputs]:
    return [{"number": np.array(number)} for number in numbers]


def bring(made: Batches, numbers: Sequence[int]) -> list[Any] | str:
    try:
        return made.run(clips(*numbers))
    except Unsuitable as unsuitable:
        return str(unsuitable)


def test_what_comes_while_a_batch_runs_is_the_next_batch() -> None:
    made = Batches("video", None, 4, 1)
    made.run(clips(0))
    (pipeline,) = MADE
    pipeline.gate.clear()
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(made.run, clips(number)) for number in range(1, 7)]
        while len(made._waiting) < 5:  # the first one runs
            threading.Event().wait(0.001)
        pipeline.gate.set()
        assert [one.result(WAIT) for one in asked] == [[number] for number in range(1, 7)]
    assert sorted(map(len, pipeline.runs)) == [1, 1, 1, 4]


@settings(max_examples=60)
@given(
    brought=st.lists(st.lists(st.integers(-103, 400), min_size=1, max_size=9), min_size=1, max_size=12),
    most=st.integers(1, 5),
)
def test_every_thread_gets_what_it_brought(brought: list[list[int]], most: int) -> None:
    MADE.clear()
    made, barrier = Batches("video", None, most, 1), threading.Barrier(len(brought))

    def work(numbers: list[int]) -> list[Any] | str:
        barrier.wait(WAIT)
        return bring(made, numbers)

    with ThreadPoolExecutor(len(brought)) as pool:
        found = list(pool.map(work, brought))
    for numbers, one in zip(brought, found, strict=True):
        bad = [number for number in numbers if number < 0]
        assert one == (f"refused: {bad[0]}" if bad else numbers)


def test_a_bad_clip_costs_no_other_and_a_pipeline_is_made_anew_only_if_it_broke() -> None:
    made = Batches("video", None, 8, 1)
    assert bring(made, [1, -5, 2]) == "refused: -5" and bring(made, [3]) == [3]
    (pipeline,) = MADE
    assert pipeline.runs == [[1, -5, 2], [1], [-5], [2], [3]]
    assert bring(made, [-100]) == "refused: -100" and bring(made, [4]) == [4] and len(MADE) == 2


def test_an_unexpected_error_reaches_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Batches("video", None, 2, 1)
    made.run(clips(0))
    (pipeline,) = MADE

    def fail(clips: Sequence[Inputs]) -> list[Any]:
        raise MemoryError("no room")

    monkeypatch.setattr(pipeline, "run", fail)
    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(made.run, clips(number)) for number in range(4)]:
            with pytest.raises(MemoryError, match="no room"):
                one.result(WAIT)
    monkeypatch.undo()
    assert made.run(clips(7)) == [7]
