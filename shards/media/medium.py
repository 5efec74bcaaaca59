"""A medium as decoders take it: its bytes, a partial fetch of them, or frames mapped from a file."""

from __future__ import annotations

from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium

Media = bytes | PartialMedium | MappedFrames
"""A medium as it passes from the reader to a decoder."""


def whole(media: Media) -> bytes:
    """All bytes of a medium; of a partial one the missing bytes are fetched. Raises SourceError, MediaError."""
    if isinstance(media, MappedFrames):
        raise TypeError("stored frames have no bytes as one medium; decode them as kind 'stored'")
    return media if isinstance(media, bytes) else media.whole()
