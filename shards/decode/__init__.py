"""Decode backends: each is a function of (bytes, kind, clip plan) and keeps no state, so it needs no checkpoint.

Every backend executes the same plan and gives frames of the same shape; they differ only in colour conversion and
interpolation. A backend is imported when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from shards.clip import ClipPlan
from shards.partial import Media

Decoder: TypeAlias = Callable[[Media, str, ClipPlan], NDArray[np.uint8]]
"""(media, kind, plan) -> frames, uint8 (T, H, W, 3), RGB, contiguous. Raises MediaError."""


def _cpu() -> Decoder:
    from shards.decode.cpu import decode

    return decode


DECODERS: dict[str, Callable[[], Decoder]] = {
    "auto": _cpu,
    "cpu": _cpu,
}


def open_decoder(name: str) -> Decoder:
    """The decode function of a backend. Raises ValueError that lists the known names."""
    if name not in DECODERS:
        raise ValueError(f"unknown decoder {name!r}; known: {', '.join(sorted(DECODERS))}")
    return DECODERS[name]()
