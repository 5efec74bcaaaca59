"""Decode clips on the CPU: FFmpeg (PyAV) for videos, Pillow for pictures and frame samples.

Promises: the frames of the plan and no others, the same bits whatever else is decoded at the same time. FFmpeg and
Pillow release the GIL, so threads decode clips side by side. The rotation that a container or EXIF asks for is applied.
Whatever is wrong with the bytes is a MediaError.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shards.decode.augment import apply_ops
from shards.decode.mapped import decode_mapped
from shards.decode.pictures import decode_frame_sample, decode_picture
from shards.decode.video import decode_video
from shards.media.clip_plan import ClipPlan
from shards.media.mapped import MappedFrames
from shards.media.medium import Media, whole


def decode(media: Media, kind: str, plan: ClipPlan) -> NDArray[np.uint8]:
    """Decode a clip: uint8 (T, H, W, 3), RGB, contiguous, as plan.shape says. Raises MediaError, SourceError.

    A picture has frame 0 only. shards/decode/video.py says what becomes of a video that ends too early.
    """
    if kind not in DECODERS:
        raise ValueError(f"no decoder for media of kind {kind!r}; known: {', '.join(DECODERS)}")
    if plan.corners:
        return _cut_each(DECODERS[kind](media, plan.uncut()), plan)
    return DECODERS[kind](media, plan)


def _cut_each(frames: NDArray[np.uint8], plan: ClipPlan) -> NDArray[np.uint8]:
    """Of each whole frame its own square, with what follows the cutting."""
    height, width = plan.crop[2:]
    cut = np.stack(
        [
            frame[top : top + height, left : left + width]
            for frame, (top, left) in zip(frames, plan.corners, strict=True)
        ]
    )
    return apply_ops(np.ascontiguousarray(cut[:, :, ::-1]) if plan.flip else cut, plan.ops)


def _video(media: Media, plan: ClipPlan) -> NDArray[np.uint8]:
    return apply_ops(decode_video(media, plan), plan.ops)


def _image(media: Media, plan: ClipPlan) -> NDArray[np.uint8]:
    # Operations are done once, before the picture is repeated.
    picture = apply_ops(decode_picture(whole(media), plan), plan.ops)
    return np.ascontiguousarray(picture) if len(plan.frames) == 1 else np.repeat(picture, len(plan.frames), axis=0)


def _frames(media: Media, plan: ClipPlan) -> NDArray[np.uint8]:
    return apply_ops(decode_frame_sample(whole(media), plan), plan.ops)


def _stored(media: Media, plan: ClipPlan) -> NDArray[np.uint8]:
    assert isinstance(media, MappedFrames)
    return apply_ops(decode_mapped(media, plan), plan.ops)


DECODERS: dict[str, Callable[[Media, ClipPlan], NDArray[np.uint8]]] = {
    "video": _video,
    "image": _image,
    "frames": _frames,
    "stored": _stored,
}
"""Decoders by kind of medium, with the names of shards/media/kinds.py."""
