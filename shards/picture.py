"""Pictures: the one way in which their bytes are opened, and what becomes of their pixels.

Promises: whatever the bytes are, the answer is a picture or a MediaError with a reason. Only formats that Pillow
decodes itself are opened; sizes are checked before anything is decoded (decompression bombs).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from shards.media import MediaError, Orientation, check_size
from shards.sample import MediaFacts

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's plugins raise on bad bytes; a KeyError or TypeError would be our own mistake.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error, zlib.error)
_EXIF_ORIENTATION = 0x0112


@contextmanager
def open_image(data: bytes) -> Iterator[tuple[Image.Image, Orientation]]:
    """Open a picture in memory, not yet decoded, with the turn that its EXIF asks for.

    Whatever goes wrong inside the block because of the data leaves it as MediaError.
    """
    from PIL import Image

    bomb = (Image.DecompressionBombError, Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            check_size(*image.size)
            yield image, _EXIF_TURNS.get(image.getexif().get(_EXIF_ORIENTATION, 1), Orientation())
    except MediaError:
        raise
    except bomb as error:  # Pillow's own limit, above ours
        raise MediaError(f"its pixels are too many: {error}") from error
    except _PILLOW_ERRORS as error:
        text = "cannot identify it" if "cannot identify" in str(error) else f"{type(error).__name__}: {error}"
        raise MediaError(f"not a picture, or damaged: {text}") from error


_EXIF_TURNS = {
    2: Orientation(True, 0),
    3: Orientation(False, 2),
    4: Orientation(True, 2),
    5: Orientation(True, 1),
    6: Orientation(False, 3),
    7: Orientation(True, 3),
    8: Orientation(False, 1),
}


def probe_image(data: bytes) -> MediaFacts:
    """The facts of a picture, decoded to be sure. Raises MediaError."""
    with open_image(data) as (image, turn):
        codec = (image.format or "").lower()
        width, height = image.size[::-1] if turn.swaps_sides else image.size
        image.load()
    return MediaFacts("image", codec, width, height, 1)


def is_animated(data: bytes) -> bool:
    """Whether a picture has more than one frame. Raises MediaError."""
    with open_image(data) as (image, _):
        return getattr(image, "n_frames", 1) > 1


def to_rgb(image: Image.Image) -> Image.Image:
    """8 bit RGB; what is transparent becomes white."""
    from PIL import Image

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if image.mode == "F":
            raise MediaError("a picture of floating point numbers has no known white")
        # 16 bits, whatever the container of the numbers: Pillow before 11 opened 16 bit PNG as "I".
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, colours).convert("RGB")
    return image.convert("RGB")
