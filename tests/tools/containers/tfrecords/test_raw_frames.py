"""Raw frames become pictures, and other numbers of bytes are refused."""

from __future__ import annotations

import numpy as np
import pytest

from shards.media.frames import FramePictures
from shards.media.pictures.picture import open_image
from tools.containers.media_values import NoMedium
from tools.containers.tfrecords.raw_frames import RawFrames, frames_of_pixels


def test_one_frame_is_a_picture_and_several_are_frames() -> None:
    pixels = np.zeros((3, 16, 16, 3), np.uint8)
    assert frames_of_pixels(pixels[:1].tobytes(), RawFrames(16, None), 90).ext == "jpg"
    assert frames_of_pixels(pixels.tobytes(), RawFrames(16, None), 90).ext == "zip"


def test_frames_are_kept_to_the_last_bit_without_a_quality() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), np.uint8)
    frames = FramePictures(frames_of_pixels(pixels.tobytes(), RawFrames(16, 3)).data)
    assert len(frames) == 3
    for number in range(3):
        with open_image(frames.picture(number)) as (image, _):
            assert np.array_equal(np.asarray(image.convert("RGB")), pixels[number, :, :, ::-1])


def test_a_fixed_number_of_frames_tells_frames_of_another_side() -> None:
    small = bytes(12 * 128 * 128 * 3)  # three frames of 256 x 256
    assert RawFrames(128).fits(small) and RawFrames(256, None).fits(small) and not RawFrames().fits(small)
    with pytest.raises(NoMedium, match=r"holds 589,824 bytes, .* 12 raw frames of 256 x 256 x 3 bytes \(2,359,296\);"):
        frames_of_pixels(small, RawFrames())


@pytest.mark.parametrize("length", [0, 1, 16 * 16 * 3 - 1, 16 * 16 * 3 + 1])
def test_bytes_that_are_no_frames_are_refused(length: int) -> None:
    with pytest.raises(NoMedium, match=r"neither a picture nor raw frames of 16 x 16 .*--frame-side"):
        frames_of_pixels(bytes(length), RawFrames(16, None), 90)
