"""Frames of a clip are scaled, turned, cropped and mirrored as the plan says."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from shards.decode.cpu import decode
from shards.media.clip_plan import ClipPlan
from tests.shards.decode.plans import SIZE, whole


def test_scaling_keeps_the_picture(make_clip: Callable[..., bytes], read_number: Callable[[np.ndarray], int]) -> None:
    for size in ((32, 48), (128, 192), (50, 50)):
        clip = decode(make_clip(40), "video", whole(5, 21, size=size))
        assert clip.shape == (2, *size, 3) and list(map(read_number, clip)) == [5, 21]
    assert np.abs(clip[0, 30:, :].mean(axis=(0, 1)) - [200, 0, 0]).max() < 12  # the lower half is red


def test_crop_and_flip_are_those_of_the_resized_frame(make_clip: Callable[..., bytes]) -> None:
    media = make_clip(40)
    full = decode(media, "video", whole(21))
    plan = ClipPlan((21,), SIZE, (10, 20, 30, 40), False)
    assert np.array_equal(decode(media, "video", plan), full[:, 10:40, 20:60])
    plan = ClipPlan((21,), SIZE, (10, 20, 30, 40), True)
    assert np.array_equal(decode(media, "video", plan), full[:, 10:40, 20:60][:, :, ::-1])


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_the_display_rotation_is_applied(make_clip: Callable[..., bytes], rotation: int) -> None:
    plain = decode(make_clip(3), "video", whole(2))[0]
    upright = np.rot90(plain, rotation // 90)
    turned = decode(make_clip(3, rotation=rotation), "video", whole(2, size=upright.shape[:2]))[0]
    assert np.abs(turned.astype(int) - upright).mean() < 1


def with_matrix(mp4: bytes, *matrix: int) -> bytes:
    """The same video whose display matrix takes one pixel to the right to (a, b) and one down to (c, d)."""
    a, b, c, d = (value << 16 for value in matrix)
    at = mp4.index(b"tkhd") + 44
    return mp4[:at] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + mp4[at + 36 :]


@pytest.mark.parametrize(
    ("turns", "matrix"), [(0, (-1, 0, 0, 1)), (1, (0, 1, 1, 0)), (2, (1, 0, 0, -1)), (3, (0, -1, -1, 0))]
)
def test_a_mirrored_display_matrix_is_applied(
    make_clip: Callable[..., bytes], turns: int, matrix: tuple[int, ...]
) -> None:
    plain = decode(make_clip(3), "video", whole(2))[0]
    expected = np.rot90(plain[:, ::-1], turns)
    clip = decode(with_matrix(make_clip(3), *matrix), "video", whole(2, size=expected.shape[:2]))
    assert np.array_equal(clip[0], expected)
