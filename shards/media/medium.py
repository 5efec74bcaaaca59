"""A medium as decoders take it: its bytes, a part of them that fetches the rest, or frames mapped from a file."""

from __future__ import annotations

from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium

Media = bytes | PartialMedium | MappedFrames
"""A medium as it passes from the reader to a decoder."""


def whole(media: Media) -> bytes:
    """All bytes of a medium, for whoever cannot do with a part. Raises SourceError, MediaError."""
    if isinstance(media, MappedFrames):
        raise TypeError("stored frames are no video or picture of which all bytes could be given")
    return media if isinstance(media, bytes) else media.whole()
