"""Spans: ranges of bytes of a file, and how close ones are joined to be fetched at once."""

from __future__ import annotations

from collections.abc import Iterable

GAP = 1 << 16
"""Ranges with at most this many bytes between them are fetched as one."""
Span = tuple[int, int]
"""(first byte, byte behind the last)."""


def merge_spans(spans: Iterable[Span], size: int, gap: int = GAP) -> list[Span]:
    """Sort spans and join those that are close, so that they are disjoint and inside a file of this size."""
    merged: list[Span] = []
    for start, stop in sorted((max(0, start), min(stop, size)) for start, stop in spans):
        if start >= stop:
            continue
        if merged and start <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
