"""The pipelines of DALI: what they show of a frame, and that they let go of the interpreter's lock."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")

from shards.decode.dali.pipeline import ClipPipeline, video_inputs
from shards.decode.packing.coded_size import Window
from shards.media.clip_plan import ClipPlan
from tests.shards.decode.twins import MEDIA


def test_of_a_frame_the_window_is_shown_and_nothing_beside_it() -> None:
    """Bit for bit, also where it is scaled: nothing beside the window is mixed in."""
    data = next(path for path in MEDIA if path.name == "bbb_burrow.webm").read_bytes()
    pipeline, native = ClipPipeline("video", None), ClipPlan((3,), (360, 640), (0, 0, 360, 640))
    window = Window((640, 360), 80, 48, 128, 96)

    def run(window: Window, plan: ClipPlan) -> np.ndarray:
        (output,) = pipeline.run([video_inputs(data, plan.frames, (0.299, 0.114), window, plan)])
        return np.from_dlpack(output).copy()

    whole = run(Window((640, 360), 0, 0, 640, 360), native)
    cut = run(window, ClipPlan((3,), (96, 128), (0, 0, 96, 128)))
    assert np.array_equal(cut, whole[:, 48 : 48 + 96, 80 : 80 + 128])
    larger = run(window, ClipPlan((3,), (192, 256), (0, 0, 192, 256)))
    edges = larger[:, :2].astype(int) - cut[:, :1].repeat(2, 1).repeat(2, 2)
    assert np.abs(edges).mean() < 4 and larger.shape == (1, 192, 256, 3)


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
        pipeline.run([video_inputs(data, plan.frames, (0.299, 0.114), Window((640, 360), 0, 0, 640, 360), plan)])
        during = turns - before
    finally:
        done.set()
        sys.setswitchinterval(interval)
        other.join()
    assert during >= 1
