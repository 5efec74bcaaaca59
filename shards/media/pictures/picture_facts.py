"""The facts of a picture, found by decoding it; width and height are those after the turn that EXIF asks for."""

from __future__ import annotations

from shards.media.facts import KeyFrame, MediaFacts
from shards.media.pictures.colours import to_rgb
from shards.media.pictures.picture import open_image


def probe_picture(data: bytes) -> tuple[MediaFacts, list[KeyFrame]]:
    """The facts of a picture, of an animation those of its first frame, and no key frames. Raises MediaError."""
    with open_image(data) as (image, turn):
        codec = (image.format or "").lower()
        width, height = image.size[::-1] if turn.swaps_sides else image.size
        to_rgb(image)
    return MediaFacts("image", codec, width, height, 1), []


def is_animated(data: bytes) -> bool:
    """True for a picture of more than one frame. Raises MediaError."""
    with open_image(data) as (image, _):
        return getattr(image, "n_frames", 1) > 1
