"""Fetched: the verified bytes of one element, as readers give them to the loader."""

from __future__ import annotations

from typing import NamedTuple

from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium


class Fetched(NamedTuple):
    """The verified bytes of one element."""

    sample: int
    record: int | None
    """None: to be drawn."""
    media: bytes | PartialMedium | MappedFrames
    json: bytes | None
    txt: bytes | None
