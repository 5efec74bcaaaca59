"""The text records of a clip, from those of the video that it is cut from.

Records with "start" and "end" (seconds of the video, as tools/captions.py writes them), also those inside a paragraph's
"segments", belong to the clips that they overlap; their times are then those of the clip. Records without times belong
to every clip of a video that has no others. A record that only touches a clip does not belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def records_of(records: Sequence[dict[str, Any]], start: float, end: float) -> list[dict[str, Any]]:
    """The records of the clip from `start` to `end` seconds; none where all that have times lie elsewhere."""
    timed = [record for record in _spread(records) if _times(record) is not None]
    if not timed:
        return [dict(record) for record in records]
    found = []
    for record in timed:
        first, last = _times(record) or (0.0, 0.0)
        overlaps = first < end and last > start if last > first else start <= first < end
        if overlaps:
            times = {"start": max(0.0, first - start), "end": min(end, last) - start}
            found.append({**record, **{name: round(time, 6) for name, time in times.items()}})
    return found


def _spread(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records, those of a paragraph in its place."""
    spread: list[dict[str, Any]] = []
    for record in records:
        segments = record.get("segments")
        inner = [one for one in segments if isinstance(one, dict)] if isinstance(segments, list) else []
        spread += inner or [record]
    return spread


def _times(record: dict[str, Any]) -> tuple[float, float] | None:
    start, end = record.get("start"), record.get("end")
    if isinstance(start, bool) or isinstance(end, bool):
        return None
    if not isinstance(start, (int, float)) or not isinstance(end, (int, float)) or not 0 <= start <= end:
        return None
    return float(start), float(end)
