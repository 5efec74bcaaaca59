"""The one way in which pictures are opened.

Promises: whatever the bytes are, the answer is a picture or a MediaError with a reason; the same one in probing,
decoding, transcoding and before DALI, so that what probing accepts is decoded. Only formats that Pillow decodes itself
are opened, AVIF among them, under whatever name; anything else is named. Sizes are checked before anything is decoded
(decompression bombs), and nothing else about a picture is bounded: texts, profiles and EXIF have any size.
Of an animation it is the first frame, of a file with many pictures the first one. colours.py makes RGB of the pixels.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from shards.base.errors import MediaError
from shards.media.limits import check_size
from shards.media.pictures.forms import READ, WrongKind, known_picture
from shards.media.pictures.picture_bytes import mended
from shards.media.pictures.signatures import foreign_kind
from shards.media.rotation import Orientation

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# What Pillow's plugins raise on bad pixels (RuntimeError: that of AVIF); a KeyError or TypeError would be our mistake.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, OverflowError, RuntimeError, struct.error, zlib.error)
_ORIENTATION = 0x0112
"""A tag of EXIF."""
_DEPTH_OF_PNG = 24
"""Byte of the file that says how many bits a number has."""


@contextmanager
def open_image(data: bytes) -> Iterator[tuple[Image.Image, Orientation]]:
    """Open a picture in memory, in most formats not yet decoded; gives it with the rotation that it asks for.

    Whatever goes wrong inside the block because of the data leaves it as MediaError.
    """
    with _pillow_errors(data, Exception):  # a tag of a wrong type may raise anything
        image = _pillow().open(io.BytesIO(mended(data)), formats=_FORMATS)
    with image:
        with _pillow_errors(data, Exception):
            check_size(*image.size)
            turn = _turn(image)
        _check_colours(image, data)
        with _pillow_errors(data, *_PILLOW_ERRORS):
            yield image, turn


@contextmanager
def _pillow_errors(data: bytes, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what Pillow says of bad data into MediaError."""
    pillow = _pillow()
    try:
        yield
    except MediaError:
        raise
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:  # its own limit, above ours
        raise MediaError(f"its pixels are too many: {error}") from error
    except pillow.UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except kinds as error:
        raise MediaError(f"not a picture, or damaged: {type(error).__name__}: {error}") from error


def _check_colours(image: Image.Image, data: bytes) -> None:
    """Refuse unknown colours, and correct what Pillow says of a transparent one."""
    if image.format == "JPEG" and image.mode != "L" and not getattr(image, "quantization", True):
        raise WrongKind(f"a lossless JPEG, which does not say what its colours are; convert it to {READ}")
    colour = image.info.get("transparency")
    if image.format == "PNG" and data[_DEPTH_OF_PNG] == 16 and isinstance(colour, tuple):
        # Pillow has the upper 8 bits of the pixels, and compares them with all 16 of the transparent colour.
        image.info["transparency"] = tuple(value >> 8 for value in colour)


@cache
def _pillow() -> ModuleType:
    """PIL.Image, with decoders that use one thread: the loader decodes many pictures side by side."""
    from PIL import AvifImagePlugin, Image

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return Image


_TURNS = {
    2: Orientation(True, 0),
    3: Orientation(False, 2),
    4: Orientation(True, 2),
    5: Orientation(True, 1),
    6: Orientation(False, 3),
    7: Orientation(True, 3),
    8: Orientation(False, 1),
}


def _turn(image: Image.Image) -> Orientation:
    """The rotation that is left to be done to the decoded picture."""
    if image.format == "TIFF":
        # Pillow turns a TIFF itself when it is decoded, and its size is right only then.
        image.load()
        return Orientation()
    if image.format == "PNG":
        image.load()  # its EXIF may stand behind the pixels
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1), Orientation())
    except (*_PILLOW_ERRORS, LookupError, TypeError):
        return Orientation()  # EXIF that cannot be read says nothing; the pixels are there


def _unidentified(data: bytes) -> MediaError:
    """The error for bytes that Pillow does not take for a picture."""
    kind = foreign_kind(data)
    if kind is not None:
        return WrongKind(f"not a picture that is read here but {kind.name}; {kind.remedy}")
    known = known_picture(data)
    if known:
        return MediaError(
            f"not a picture, or damaged: it begins as {known} does, but its header is broken or of a kind not read here"
        )
    return MediaError("not a picture, or damaged: cannot identify it")
