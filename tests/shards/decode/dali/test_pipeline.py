"""The pipelines of DALI let go of the interpreter's lock."""

from __future__ import annotations

import sys
import threading

import pytest

pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")

from shards.decode.dali.pipeline import ClipPipeline
from shards.media.clip_plan import ClipPlan
from tests.shards.decode.twins import MEDIA


def test_the_interpreter_is_free_while_dali_runs() -> None:
    """Counted, not timed: another thread goes on while one run lasts."""
    path = next(path for path in MEDIA if path.name == "bbb_burrow.webm")
    pipeline = ClipPipeline("video", None)
    data, plan = path.read_bytes(), ClipPlan(tuple(range(150)), (64, 64), (0, 0, 64, 64))
    pause, turns, done = threading.Event(), 0, threading.Event()

    def turn() -> None:
        nonlocal turns
        while not done.is_set():
            pause.wait(1e-3)
            turns += 1

    # Nobody is asked to give the lock away: the other thread has turns when `run` lets go of it, and then only.
    interval, _ = sys.getswitchinterval(), sys.setswitchinterval(60)
    other = threading.Thread(target=turn)
    other.start()
    try:
        before = turns
        pipeline.run_video(data, plan.frames, (0.299, 0.114), plan)
        during = turns - before
    finally:
        done.set()
        sys.setswitchinterval(interval)
        other.join()
    assert during >= 1
