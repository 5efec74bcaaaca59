"""Stored frames as a medium: they are read when they are asked for, and belong to an open file."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from shards.media.mapped import MappedFrames
from shards.media.medium import whole


def test_nothing_is_read_before_it_is_asked_for_and_nothing_is_held() -> None:
    asked = []

    def get(number: int) -> bytes:
        asked.append(number)
        return b"x" * 10

    frames = MappedFrames(2, get, 20)
    assert (len(frames), frames.held, asked) == (20, 0, [])
    assert frames.get(1) == b"x" * 10 and asked == [1]


def test_they_are_no_bytes_and_cannot_leave_the_process() -> None:
    frames = MappedFrames(1, lambda number: np.zeros((1, 1, 3), np.uint8), 3)
    with pytest.raises(TypeError, match="stored frames are no video"):
        whole(frames)
    with pytest.raises(TypeError, match="view of an open file"):
        copy.deepcopy(frames)
