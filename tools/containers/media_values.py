"""A medium as a value of a record: its bytes, bytes with a path, or several pictures, which become a frame sample.

The extension is that of the first bytes; where these say nothing, that of the path. Bytes are kept as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from shards.base import PrintableError
from shards.media import MAX_FRAMES, MEDIA_EXTENSIONS, archive, foreign_kind, pack_frames, picture_extension
from tools.rows import BAD_MEDIA, NO_MEDIA

_FRAME_EXTENSIONS = ("jpg", "webp")


class NoMedium(PrintableError, ValueError):
    """A value that holds no medium; says what it is and what to do. category: one of REASONS of tools/rows.py."""

    def __init__(self, message: str, category: str = BAD_MEDIA) -> None:
        super().__init__(message)
        self.category = category


class Medium(NamedTuple):
    """A medium as it is to be stored."""

    data: bytes
    ext: str


def medium_of(value: Any) -> Medium | str:
    """The medium that a value holds, or the path or address that it gives instead. Raises NoMedium."""
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():
        data, path = value.get("bytes"), value.get("path")
        if data is not None:
            return with_extension(bytes(data), path if isinstance(path, str) else "")
        value = path
    if isinstance(value, bytes | bytearray | memoryview):
        return with_extension(bytes(value))
    if isinstance(value, str):
        if value.strip():
            return value
        raise NoMedium("the path is empty; give one, or accept the loss", NO_MEDIA)
    if isinstance(value, list | tuple):
        pictures = [medium_of(one) for one in value]
        if any(isinstance(picture, str) for picture in pictures):
            raise NoMedium("holds paths of several pictures, not the pictures; store their bytes")
        return frames_of([picture for picture in pictures if isinstance(picture, Medium)])
    if value is None:
        raise NoMedium("is null; fetch the medium again, or accept the loss", NO_MEDIA)
    raise NoMedium(f"holds {type(value).__name__}, neither bytes nor a path; name another --media-column")


def with_extension(data: bytes, path: str = "") -> Medium:
    """The bytes of a medium with the extension of their form. path: of the file that they come from, if one is known.

    Raises NoMedium.
    """
    if not data:
        raise NoMedium("is empty (0 bytes); fetch it again, or accept the loss")
    foreign = foreign_kind(data)
    told = picture_extension(data) or (foreign.ext if foreign else "") or ("zip" if archive(data) == "a zip" else "")
    named = PurePosixPath(path).suffix[1:].lower()
    if told:
        return Medium(data, told)
    if named in MEDIA_EXTENSIONS and foreign is None:
        return Medium(data, named)
    found = f"{foreign.name}; {foreign.remedy}" if foreign else f"starts with {data[:4].hex()}; fetch it again"
    raise NoMedium(f"no medium that is read here ({found})")


def frames_of(pictures: Sequence[Medium]) -> Medium:
    """A frame sample of the frames of a video, or the one picture. No times are known: rate, duration and times are 0.

    Raises NoMedium.
    """
    if len(pictures) == 1:
        return pictures[0]
    kinds = sorted({picture.ext for picture in pictures})
    if not 1 < len(pictures) <= MAX_FRAMES or len(kinds) != 1 or kinds[0] not in _FRAME_EXTENSIONS:
        raise NoMedium(
            f"holds {len(pictures)} pictures ({', '.join(kinds) or 'none'}); a frame sample has 1 to {MAX_FRAMES}, all "
            f".{' or all .'.join(_FRAME_EXTENSIONS)}: write them so"
        )
    data = pack_frames([picture.data for picture in pictures], kinds[0], 0.0, 0.0, [0.0] * len(pictures))
    return Medium(data, "zip")
