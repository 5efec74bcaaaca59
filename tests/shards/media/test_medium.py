"""Media on their way to a decoder."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from shards.media.mapped import MappedFrames
from shards.media.medium import whole


def test_they_are_no_bytes_and_cannot_leave_the_process() -> None:
    frames = MappedFrames(1, lambda number: np.zeros((1, 1, 3), np.uint8), 3)
    with pytest.raises(TypeError, match="have no bytes as one medium; decode them as kind 'stored'"):
        whole(frames)
    with pytest.raises(TypeError, match="view of an open file"):
        copy.deepcopy(frames)
