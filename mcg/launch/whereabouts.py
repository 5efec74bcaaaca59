"""Where in the code a thread of this process stands, in one phrase: for the lines that name a rank that hangs."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_COLLECTIVES = ("/torch/distributed/", "/deepspeed/comm/")
_LOOKED_AT = 6
"""Innermost frames that may belong to a collective."""


@dataclass(frozen=True)
class _Whereabouts:
    """The place of a thread in the code."""

    at: str
    """The innermost call of ours, and what that has called: (mcg/engine/deepspeed.py:110 train_step > wait)."""
    waits: bool
    """It stands in a collective, and so waits for other ranks."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def whereabouts(thread: int) -> _Whereabouts:
    """Of a thread by its ident."""
    frame = sys._current_frames().get(thread)
    if frame is None:
        return _Whereabouts("", False)
    frames = _inner_first(frame)
    waits = any(name in f.f_code.co_filename for f in frames[:_LOOKED_AT] for name in _COLLECTIVES)
    ours = next((f for f in frames if _is_ours(f)), frames[0])
    place = f"{_short(ours.f_code.co_filename)}:{ours.f_lineno} {ours.f_code.co_name}"
    inner = "" if ours is frames[0] else f" > {frames[0].f_code.co_name}"
    return _Whereabouts(f"({place}{inner})", waits)


def _inner_first(frame: FrameType | None) -> list[FrameType]:
    frames = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _is_ours(frame: FrameType) -> bool:
    file = Path(frame.f_code.co_filename)
    return file.is_relative_to(_ROOT) and "site-packages" not in file.parts


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else path.name
