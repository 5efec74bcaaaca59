"""The pixels of a picture as 8 bit RGB.

Promises: of 16 bits the upper 8 are taken, of 12 likewise; fewer bits are spread over the whole range; transparent
parts become white; CMYK and LAB become RGB by Pillow's formulas, colour profiles are not applied. Numbers that do not
say what white is are refused: 32 bit integers, floating point, signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shards.media.pictures.forms import READ, WrongKind

if TYPE_CHECKING:
    from PIL import Image


_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 0x0102, 0x0106, 0x0153
"""Tags of TIFF."""
_SIGNED = 2
"""A value of SampleFormat."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Decode a picture to 8 bit RGB, perhaps in place; what is transparent becomes white. Raises WrongKind."""
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
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy it


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Convert gray of more than 8 bits, of which Pillow gives the numbers as they are stored."""
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
