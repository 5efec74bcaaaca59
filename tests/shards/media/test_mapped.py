"""Stored frames as a medium: they are read when they are asked for, and belong to an open file."""

from __future__ import annotations

from shards.media.mapped import MappedFrames


def test_nothing_is_read_before_it_is_asked_for_and_nothing_is_held() -> None:
    asked = []

    def get(number: int) -> bytes:
        asked.append(number)
        return b"x" * 10

    frames = MappedFrames(2, get, 20)
    assert (len(frames), frames.held, asked) == (20, 0, [])
    assert frames.get(1) == b"x" * 10 and asked == [1]
