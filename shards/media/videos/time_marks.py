"""Time marks: in a video whose frames last unequally long, frames whose times tell the times of all others.

Promises: between two of the first frame, the key frames, the marks and the end, frames counted as equally long are off
by at most half of the mean length of a frame, unless that takes more than 256 marks; then the worst places are marked.
A video with a constant rate, also one whose times are rounded or jump to and fro by less than that, has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shards.media.facts import TIME_MARK, KeyFrame

MAX_MARKS = 256
_TOLERANCE = 0.5
"""Tolerance in mean lengths of a frame."""


def find_marks(times: Sequence[float], end: float, key_frames: Iterable[int]) -> list[int]:
    """The numbers of the frames to mark, in order.

    times: of all frames in presentation order, seconds. end: when the last one ends. key_frames: numbers of the frames
    whose times are known anyhow.
    """
    clock = np.append(np.asarray(times, np.float64), end)
    last = len(clock) - 1
    known = sorted({0, *key_frames, last})
    tolerance = _TOLERANCE * (end - clock[0]) / max(1, last)
    line = np.interp(np.arange(last + 1), known, clock[known])
    if np.abs(clock - line).max() <= tolerance:
        return []
    marks: list[int] = []
    waiting: list[tuple[float, int, int, int]] = []
    for first, stop in pairwise(known):
        _note(waiting, clock, first, stop, tolerance)
    while waiting and len(marks) < MAX_MARKS:
        _, first, worst, stop = heappop(waiting)
        marks.append(worst)
        _note(waiting, clock, first, worst, tolerance)
        _note(waiting, clock, worst, stop, tolerance)
    return sorted(marks)


def _note(
    waiting: list[tuple[float, int, int, int]], clock: NDArray[np.float64], first: int, stop: int, tolerance: float
) -> None:
    """Put the frame between two known ones whose time is off most on the heap, if it is off too much."""
    if stop - first < 2:
        return
    line = np.linspace(clock[first], clock[stop], stop - first + 1)
    off = np.abs(clock[first : stop + 1] - line)
    worst = int(off.argmax())
    if off[worst] > tolerance:
        heappush(waiting, (-float(off[worst]), first, first + worst, stop))


def with_marks(key_frames: list[KeyFrame], times: Sequence[float], duration: float) -> list[KeyFrame]:
    """Add time marks to key frames, in order. times: of all frames, in order, seconds."""
    if not 0 < duration < float("inf"):
        return key_frames
    # an index holds times as float32, and each of them only once
    by_time = {float(np.float32(frame.time)): frame for frame in key_frames}
    for number in find_marks(times, times[0] + duration, [frame.number for frame in key_frames]):
        by_time.setdefault(float(np.float32(times[number])), KeyFrame(number, times[number], TIME_MARK))
    return sorted([*key_frames, *(frame for frame in by_time.values() if frame.offset == TIME_MARK)])
