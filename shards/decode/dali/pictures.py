"""Pictures that DALI shows as Pillow does."""

from __future__ import annotations

from shards.base.errors import MediaError
from shards.decode.decoder import Unsuitable
from shards.media.pictures.picture import open_image
from shards.media.pictures.picture_bytes import mended
from shards.media.rotation import Orientation

_PICTURES = ("JPEG", "PNG", "BMP", "WEBP")
_BITS_OF_BMP = (24).to_bytes(2, "little")
_RGB = [ord(letter) for letter in "RGB"]
"""Names of the components by which alone a JPEG says that it is not YCbCr."""


def check_picture(data: bytes) -> None:
    """Raise Unsuitable for a picture that DALI shows otherwise than Pillow does, or that is not whole."""
    try:
        if mended(data) is not data:
            raise Unsuitable("damaged", "its end or its texts have to be mended first")
        with open_image(data) as (image, turn):
            plain = image.mode in ("RGB", "L") and not image.has_transparency_data
            if image.format not in _PICTURES or getattr(image, "n_frames", 1) > 1:
                raise Unsuitable("codec", str(image.format))
            if image.format == "BMP" and data[28:30] != _BITS_OF_BMP:
                raise Unsuitable("pixel format", "BMP of few or odd bits")
            is_rgb = [layer[0] for layer in getattr(image, "layer", ())] == _RGB
            if not plain or is_rgb or image.info.get("adobe_transform") == 0:
                raise Unsuitable("pixel format", image.mode)
            if turn != Orientation():
                raise Unsuitable("rotation")
    except MediaError as error:
        raise Unsuitable("damaged", str(error)) from error
