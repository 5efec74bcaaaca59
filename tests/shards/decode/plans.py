"""Plans of whole frames, for tests of decoders."""

from __future__ import annotations

from pathlib import Path

from shards.media.clip_plan import ClipPlan

REPOSITORY = Path(__file__).resolve().parents[3]
SIZE = (64, 96)


def whole(*frames: int, size: tuple[int, int] = SIZE, flip: bool = False) -> ClipPlan:
    return ClipPlan(frames, size, (0, 0, *size), flip)
