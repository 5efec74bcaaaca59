"""The pipelines of DALI let go of the interpreter's lock."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

pytest.importorskip("nvidia.dali", reason="NVIDIA DALI is not installed (extra dali)")

from shards.decode.dali_pipeline import make_pipeline
from tests.shards.decode.twins import MEDIA


def test_the_interpreter_is_free_while_dali_runs() -> None:
    """Counted, not timed: another thread goes on while one run lasts."""
    path = next(path for path in MEDIA if path.name == "bbb_burrow.webm")
    pipeline = make_pipeline("video", None)
    inputs = {
        "encoded": np.frombuffer(path.read_bytes(), np.uint8),
        "frames": np.arange(0, 150, dtype=np.int32),
        "size": np.array((64, 64), np.float32),
        "start": np.zeros(2, np.float32),
        "stop": np.ones(2, np.float32),
        "colour": np.eye(3, dtype=np.float32),
        "mirror": np.array(0, np.int32),
    }
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
        pipeline.run(**{name: [value] for name, value in inputs.items()})
        during = turns - before
    finally:
        done.set()
        sys.setswitchinterval(interval)
        other.join()
    assert during >= 1
