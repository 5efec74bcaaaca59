"""Raw frames become pictures, and other numbers of bytes are refused."""

from __future__ import annotations

import numpy as np
import pytest

from tools.containers.media_values import NoMedium
from tools.containers.tfrecords.raw_frames import RawFrames, frames_of_pixels


def test_one_frame_is_a_picture_and_several_are_frames() -> None:
    pixels = np.zeros((3, 16, 16, 3), np.uint8)
    assert frames_of_pixels(pixels[:1].tobytes(), RawFrames(16, None), 90).ext == "jpg"
    assert frames_of_pixels(pixels.tobytes(), RawFrames(16, None), 90).ext == "zip"


@pytest.mark.parametrize("length", [0, 1, 16 * 16 * 3 - 1, 16 * 16 * 3 + 1])
def test_bytes_that_are_no_frames_are_refused(length: int) -> None:
    with pytest.raises(NoMedium, match=r"neither a picture nor raw frames of 16 x 16 .*--frame-side"):
        frames_of_pixels(bytes(length), RawFrames(16, None), 90)
