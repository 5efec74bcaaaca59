"""Pictures: the one way in which their bytes are opened, and what becomes of their pixels.

Promises: whatever the bytes are, the answer is a picture or a MediaError with a reason; the same one in probing,
decoding, transcoding and before DALI, so that what probing accepts is decoded. Only formats that Pillow decodes itself
are opened, AVIF among them, under whatever name; anything else is named. Sizes are checked before anything is decoded
(decompression bombs), and nothing else about a picture is bounded: texts, profiles and EXIF have any size.
Pixels become 8 bit RGB: of 16 bits the upper 8 are taken, of 12 likewise; fewer bits are spread over the whole range;
transparent parts become white; CMYK and LAB become RGB by Pillow's formulas, colour profiles are not applied. Numbers
that do not say what white is are refused: 32 bit integers, floating point, signed. Of an animation it is the first
frame, of a file with many pictures the first one.
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

import numpy as np

from shards.base.errors import MediaError
from shards.media.limits import check_size
from shards.media.pictures.picture_bytes import mended
from shards.media.pictures.signatures import READ, foreign_kind, known_picture
from shards.media.rotation import Orientation

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# What Pillow's plugins raise on bad pixels (RuntimeError: that of AVIF); a KeyError or TypeError would be our mistake.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, OverflowError, RuntimeError, struct.error, zlib.error)
_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 0x0112, 0x0102, 0x0106, 0x0153
"""Tags of EXIF and TIFF."""
_SIGNED = 2
_DEPTH_OF_PNG = 24
"""Byte of the file that says how many bits a number has."""


class WrongKind(MediaError):
    """A file that is no picture of a form read here; the message says what it is and what to do with it."""

    @property
    def advice(self) -> str:
        """The reason and what to do, which the message says."""
        return str(self)


@contextmanager
def open_image(data: bytes) -> Iterator[tuple[Image.Image, Orientation]]:
    """Open a picture in memory, in most formats not yet decoded, with the turn that it asks for.

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
    """Refuse colours that nobody knows, and put right what Pillow says of a transparent one."""
    if image.format == "JPEG" and image.mode != "L" and not getattr(image, "quantization", True):
        raise WrongKind(f"a lossless JPEG, which does not say what its colours are; convert it to {READ}")
    colour = image.info.get("transparency")
    if image.format == "PNG" and data[_DEPTH_OF_PNG] == 16 and isinstance(colour, tuple):
        # Pillow has the upper 8 bits of the pixels, and compares them with all 16 of the transparent colour.
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def to_rgb(image: Image.Image) -> Image.Image:
    """8 bit RGB; what is transparent becomes white."""
    from PIL import Image

    image.load()
    if image.mode.startswith("I;16"):
        return _of_16_bits(image)
    if image.mode in ("I", "F") or _is_signed(image):
        numbers = "floating point numbers" if image.mode == "F" else "signed or 32 bit integers"
        raise WrongKind(f"a picture of {numbers}, which do not say what is white; convert it to {READ}")
    if image.mode == "LAB":
        return _of_lab(image)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, colours).convert("RGB")
    return image.convert("RGB")


@cache
def _pillow() -> ModuleType:
    """PIL.Image, with decoders that use one thread: the loader decodes many pictures side by side."""
    from PIL import AvifImagePlugin, Image

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return Image


# ---------------------------------------------------------------- how it is turned


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
    """What is left to do to the decoded picture."""
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


# ---------------------------------------------------------------- what its numbers mean


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Gray of more than 8 bits, of which Pillow gives the numbers as they are stored."""
    from PIL import Image

    values = np.asarray(image).astype(np.uint16, copy=False)
    bits = max(_tag(image, _BITS, 16))
    transparent = image.info.get("transparency")
    gray = (values >> (bits - 8)).astype(np.uint8)
    if _tag(image, _PHOTOMETRIC, 1) == (0,):
        gray = 255 - gray
    if isinstance(transparent, int):
        gray[values == transparent] = 255
    return Image.fromarray(gray).convert("RGB")


def _is_signed(image: Image.Image) -> bool:
    return _SIGNED in _tag(image, _SAMPLE_FORMAT, 1)


def _tag(image: Image.Image, number: int, default: int) -> tuple[int, ...]:
    """The values of a tag of a TIFF."""
    found = getattr(image, "tag_v2", {}).get(number, default)
    return tuple(int(value) for value in (found if isinstance(found, tuple) else (found,)))


def _of_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    changed = ImageCms.profileToProfile(image, *profiles, outputMode="RGB")
    assert changed is not None, "made in place only when asked for"
    return changed


# ---------------------------------------------------------------- what it is instead


def _unidentified(data: bytes) -> MediaError:
    kind = foreign_kind(data)
    if kind is not None:
        return WrongKind(f"not a picture that is read here but {kind.name}; {kind.remedy}")
    known = known_picture(data)
    if known:
        return MediaError(
            f"not a picture, or damaged: it begins as {known} does, but its header is broken or of a kind not read here"
        )
    return MediaError("not a picture, or damaged: cannot identify it")
