"""The times at which the frames of a video are shown, in order, from what a container says of its packets.

Promises: times never run backwards and no frame lasts absurdly long. A container's stamps are taken as they are, unless
- they run backwards from one packet to the next as decoding goes (joined streams, a bogus stamp): what comes behind is
  shown behind what came before, and the frame at the joint lasts as long as most frames do;
- a frame would last more than a minute and more than a thousand times as long as most do (a bogus stamp, a hole): it
  lasts as long as most do, too;
- a packet has no stamp: its frame is shown as long behind the one before it;
- no frame lasts at all, or no packet has a stamp: all last 1/fps.
"As long as most do" is the median of the frames that last at all.
Not promised: the right time of a frame in a hole that is shorter than that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_SECONDS = 60.0
MAX_LENGTHS = 1000
"""A frame that lasts longer than the larger of this many seconds and median lengths lasts a median length instead."""
_BACK_SECONDS = 1.0
"""Stamps that run backwards by more begin a new segment of a joined stream; by less they do at a key frame only."""
_AHEAD_SECONDS = 60.0
"""A frame that is shown so long behind its decoding, or a second before it, has a wrong stamp."""
_REORDER = 16
"""Frames by which decoding may be ahead of showing."""
_MAX_START = float(1 << 31)
_MAX_TICKS = 1 << 61
_USUAL_FPS = 25.0


class Stamp(NamedTuple):
    """The stamps of a packet that holds a frame, as the container gives them. Times in ticks."""

    pts: int | None
    dts: int | None
    is_key: bool
    offset: int
    """Byte of the packet in the file, -1 where the container does not say."""
    duration: int


class Timeline(NamedTuple):
    """The frames in the order in which they are shown."""

    order: list[int]
    """The position of each among the packets."""
    times: list[float]
    """Seconds on the clock of the stream."""
    end: float
    """The end of the last one, seconds."""
    mended: bool
    """True if some stamps were not taken as they are."""


def timeline(stamps: Sequence[Stamp], tick: float, fps: float) -> Timeline:
    """Order and times of frames, given as their packets in order of decoding. tick: seconds; fps: 0 if not known."""
    if not stamps:
        return Timeline([], [], 0.0, False)
    fps = fps if fps * MAX_SECONDS >= 1 else 0.0
    known = _ticks(stamps, tick)
    found = [time for time in known if time is not None]
    if not found:
        step = 1 / (fps or _USUAL_FPS)
        times = [number * step for number in range(len(stamps))]
        return Timeline(list(range(len(stamps))), times, len(stamps) * step, True)
    ticks = _filled(known, _usual_ticks(stamps, found, tick, fps))
    order = np.lexsort((ticks, _segments(stamps, tick)))
    raw = np.array([int(value) * tick for value in ticks[order]])
    last = next((stamp.duration for stamp in reversed(stamps) if stamp.duration > 0), 0) * tick
    times_, end, mended = _mend(raw, last, fps)
    return Timeline(order.tolist(), times_.tolist(), end, mended or len(found) < len(stamps))


def _mend(raw: NDArray[np.float64], last: float, fps: float) -> tuple[NDArray[np.float64], float, bool]:
    """Times in order of showing, the end, and whether something was changed, by the rule of this module.

    last: how long the last frame lasts, fps: frames per second; both 0 where not known.
    """
    steps = np.diff(raw)
    usual = _usual(steps, last, fps)
    longest = max(MAX_SECONDS, MAX_LENGTHS * usual)
    wrong = ~((steps >= 0) & (steps <= longest))
    if not (steps > 0).any():
        wrong[:] = True
    start = float(raw[0]) if abs(raw[0]) < _MAX_START else 0.0
    mended = bool(wrong.any()) or start != raw[0]
    if mended:
        raw = start + np.concatenate(([0.0], np.cumsum(np.where(wrong, usual, steps))))
    length = last if 0 < last <= longest else 1 / fps if fps else 0.0
    if not length and len(steps):
        length = usual if mended else float(steps.mean())
    return raw, float(raw[-1]) + length, mended


def _usual(steps: NDArray[np.float64], last: float, fps: float) -> float:
    """The usual length of a frame, seconds."""
    lasting = steps[(steps > 0) & np.isfinite(steps)]
    if len(lasting):
        # A median of bogus stamps alone is no length either.
        usual = float(np.median(lasting))
        if usual <= MAX_SECONDS:
            return usual
    return 1 / fps if fps else last if 0 < last <= MAX_SECONDS else 1 / _USUAL_FPS


def _ticks(stamps: Sequence[Stamp], tick: float) -> list[int | None]:
    """The time at which each packet's frame is shown, as far as the container says."""
    if not tick:
        return [None] * len(stamps)
    ahead, behind = math.ceil(_AHEAD_SECONDS / tick), math.ceil(_BACK_SECONDS / tick)
    found: list[int | None] = []
    for place, (pts, dts, *_) in enumerate(stamps):
        time = dts if pts is None else pts
        if pts is not None and dts is not None and not -behind <= pts - dts <= ahead:
            near = (stamp.dts for stamp in stamps[max(0, place - 1) : place + 2] if stamp.dts is not None)
            if not any(-behind <= pts - other <= ahead for other in near):
                time = dts
        found.append(None if time is None else min(max(time, -_MAX_TICKS), _MAX_TICKS))
    return found


def _usual_ticks(stamps: Sequence[Stamp], found: Sequence[int], tick: float, fps: float) -> int:
    """The length of frames for which the container gives none."""
    lengths = [stamp.duration for stamp in stamps if 0 < stamp.duration * tick <= MAX_SECONDS]
    return int(np.median(lengths)) if lengths else round(_usual(np.diff(np.sort(found)) * tick, 0.0, fps) / tick)


def _filled(known: Sequence[int | None], usual: int) -> NDArray[np.int64]:
    """Times of all, where at least one is known: the others count on from the one before, or back from the first."""
    first = next(place for place, time in enumerate(known) if time is not None)
    newest = min(time for time in known[first : first + _REORDER] if time is not None) - (first + 1) * usual
    filled: list[int] = []
    for time in known:
        newest = newest + usual if time is None else time
        filled.append(newest)
    return np.array(filled, np.int64)


def _segments(stamps: Sequence[Stamp], tick: float) -> NDArray[np.int64]:
    """The segment of a joined stream to which each packet belongs."""
    segments: list[int] = []
    segment, newest = 0, None
    for stamp in stamps:
        if stamp.dts is not None:
            if (
                newest is not None
                and stamp.dts < newest
                and (stamp.is_key or (newest - stamp.dts) * tick > _BACK_SECONDS)
            ):
                segment, newest = segment + 1, stamp.dts
            newest = stamp.dts if newest is None else max(newest, stamp.dts)
        segments.append(segment)
    return np.array(segments, np.int64)
