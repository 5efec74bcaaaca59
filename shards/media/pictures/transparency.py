"""Frames of videos that are partly transparent, shown over white as pictures are (shards/media/pictures/picture.py).

Promises: the same for every decoder that gives an alpha channel: animated GIF, PNG, ProRes 4444, QuickTime Animation.
Not so VP8 and VP9 in WebM: their alpha is a second stream that the decoders do not read, so the pixels under it are
shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shards.media.pictures.colours import to_rgb

if TYPE_CHECKING:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter


def has_alpha(frame: VideoFrame) -> bool:
    """True for a frame that may be partly transparent."""
    return any(component.is_alpha for component in frame.format.components)


def over_white(frame: VideoFrame, reformatter: VideoReformatter, width: int, height: int) -> NDArray[np.uint8]:
    """Scale a frame with an alpha channel and put it over white: uint8 (height, width, 3)."""
    from av.video.reformatter import Interpolation
    from PIL import Image

    how = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    scaled = reformatter.reformat(frame, width, height, "rgba", interpolation=how, threads=1)
    return np.asarray(to_rgb(Image.fromarray(scaled.to_ndarray())))
