"""From cuts to scenes: pure functions on frame numbers and times.

A scene is a run of frames. Promises: scenes cover all frames of a video, once each and in order; none is shorter than
the least time, but for a video that is; none is longer than the most time by more than a frame.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple


class Scene(NamedTuple):
    """Frames `first` to `stop` - 1, shown from `start` to `end` (seconds from the first frame of the video)."""

    first: int
    stop: int
    start: float
    end: float


def scenes_of(cuts: Sequence[int], times: Sequence[float], end: float, least: float, most: float | None) -> list[Scene]:
    """The scenes of a video. times: of its frames; end: of the last one, on the same clock; least, most: seconds.

    A scene that is too short belongs to the one before it, the first to the next; one that is too long is cut into
    equal parts.
    """
    begins = [0]
    for cut in cuts:
        if times[cut] - times[begins[-1]] >= least:
            begins.append(cut)
    if len(begins) > 1 and end - times[begins[-1]] < least:
        begins.pop()
    if most is not None:
        begins = [begin for scene in pairwise([*begins, len(times)]) for begin in _parts(*scene, times, end, most)]
    return between(begins, times, end)


def between(begins: Sequence[int], times: Sequence[float], end: float) -> list[Scene]:
    """The scenes that begin at these frames."""
    clock = [*times, end]
    return [
        Scene(first, stop, times[first] - times[0], clock[stop] - times[0])
        for first, stop in pairwise([*begins, len(times)])
    ]


def at_key_frames(begins: Sequence[int], keys: Sequence[int]) -> list[int]:
    """The key frames (in order) nearest to where scenes begin, each once; of two equally near ones the earlier."""
    snapped = [0]
    for begin in begins[1:]:
        at = bisect_left(keys, begin)
        near = min(keys[max(0, at - 1) : at + 1], key=lambda key: (abs(key - begin), key), default=0)
        if near > snapped[-1]:
            snapped.append(near)
    return snapped


def _parts(first: int, stop: int, times: Sequence[float], end: float, most: float) -> list[int]:
    """Where the parts of a scene begin."""
    start = times[first]
    length = (end if stop == len(times) else times[stop]) - start
    number = max(1, ceil(length / most - 1e-6))
    begins = [bisect_left(times, start + part * length / number - 1e-6, first, stop) for part in range(number)]
    return sorted({begin for begin in begins if first <= begin < stop})
