"""Near-duplicates and look-alikes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from shards.media.probe import probe
from tests.tools.duplicates.conftest import COPIES, Frames, clip, video
from tools.duplicates.boxes import WHOLE
from tools.duplicates.compare import Likeness, compare
from tools.duplicates.look import Thumbs, look_at


def thumbs(data: bytes) -> Thumbs:
    return look_at(data, probe(data, "x.mp4")).thumbs


ORIGINAL = clip(1)
KEPT = thumbs(video(ORIGINAL))


def like(other: bytes, mirrored: bool = False) -> Likeness:
    return compare(KEPT, thumbs(other), WHOLE, mirrored)


@pytest.mark.parametrize("name", ["encoded", "slowed", "logo", "mirrored"])
def test_copies_are_near_duplicates(name: str) -> None:
    assert like(COPIES[name](ORIGINAL), name == "mirrored").is_near_duplicate


def other_take(frames: Frames) -> Frames:
    """The same ground, with other discs on it."""
    still = np.median(frames, axis=0).astype(np.uint8)
    found = np.repeat(still[None], len(frames), axis=0)
    for number in range(len(frames)):
        found[number, 20:50, 10 + 3 * number : 40 + 3 * number] = (240, 240, 20)
    return found


def recoloured(frames: Frames) -> Frames:
    return np.ascontiguousarray(frames[..., [2, 1, 0]])


@pytest.mark.parametrize("change", [other_take, recoloured, lambda frames: frames[::-1], lambda frames: clip(2)])
def test_look_alikes_are_none(change: Callable[[Frames], Frames]) -> None:
    assert not like(video(change(ORIGINAL))).is_near_duplicate


def test_a_still_film_is_compared_as_a_picture() -> None:
    still = np.repeat(ORIGINAL[:1], 24, axis=0)
    found = compare(thumbs(video(still)), thumbs(COPIES["logo"](still)), WHOLE, False)
    assert np.isnan(found.motion)
    assert found.is_near_duplicate


def test_what_shows_nothing_is_like_nothing() -> None:
    black = thumbs(video(np.zeros_like(ORIGINAL)))
    found = compare(black, black, WHOLE, False)
    assert np.isnan(found.blocks)
    assert not found.is_near_duplicate
