"""Sizes and losses on both sides of their limits."""

from __future__ import annotations

import pytest

from shards.base.errors import MediaError
from shards.media.limits import MAX_PIXELS, MAX_SIDE, MAX_VIDEO_PIXELS, check_size, tolerated_loss


@pytest.mark.parametrize(
    ("size", "limit"),
    [((MAX_SIDE + 1, 1), MAX_PIXELS), ((1, MAX_SIDE + 1), MAX_PIXELS), ((6001, 6000), MAX_VIDEO_PIXELS)],
)
def test_a_frame_over_a_limit_is_refused_with_both_limits(size: tuple[int, int], limit: int) -> None:
    reason = f"{size[0]}x{size[1]} pixels are too many; limits: {MAX_SIDE} a side, {limit} in all"
    with pytest.raises(MediaError, match=reason):
        check_size(*size, limit)


def test_a_frame_at_the_limits_is_taken() -> None:
    check_size(MAX_SIDE, MAX_PIXELS // MAX_SIDE)
    check_size(6000, 6000, MAX_VIDEO_PIXELS)


def test_a_stream_may_lack_two_frames_or_two_of_a_hundred() -> None:
    assert [tolerated_loss(promised) for promised in (1, 100, 149, 150, 1000)] == [2, 2, 2, 3, 20]
