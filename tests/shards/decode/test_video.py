"""Videos give exactly the planned frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.decode.cpu import decode
from tests.shards.decode.plans import REPOSITORY, SIZE, whole


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "libvpx", "mjpeg"])
def test_frames_come_by_number_in_any_order_repeated_or_not(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], codec: str
) -> None:
    frames = (37, 0, 12, 12, 39, 1, 0)
    clip = decode(make_clip(40, SIZE, codec), "video", whole(*frames))
    assert clip.shape == (7, *SIZE, 3) and clip.dtype == np.uint8 and clip.flags.c_contiguous
    assert tuple(map(read_number, clip)) == frames


@settings(max_examples=25)
@given(frames=st.lists(st.integers(0, 39), min_size=1, max_size=6))
def test_any_plan_inside_the_video_is_met(
    make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int], frames: list[int]
) -> None:
    assert list(map(read_number, decode(make_clip(40), "video", whole(*frames)))) == frames


def test_threads_that_are_the_first_to_need_ffmpeg_may_come_at_once() -> None:
    code = """
import sys, threading
from shards.media.clip_plan import ClipPlan
from shards.decode.cpu import decode
from shards.media.videos.video import video_errors; from shards.base.errors import MediaError
together, done = threading.Barrier(2), []
def begin_to_decode():
    together.wait()
    try:
        decode(b"no video", "video", ClipPlan((0,), (2, 2), (0, 0, 2, 2), False))
    except MediaError:
        done.append("decode")
def begin_to_open():
    together.wait()
    with video_errors("x"):
        done.append("open")
threads = [threading.Thread(target=work) for work in (begin_to_decode, begin_to_open)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(len(done) != 2)
"""
    for _ in range(3):  # they meet in the middle of importing av, which goes wrong where one began with a module of it
        run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
