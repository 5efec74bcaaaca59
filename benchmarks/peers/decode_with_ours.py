"""This project's CPU decoder: "exact" with the GOP table of the index, "linear" without it, "snapped" at key frames,
"frames" from stored pictures; and "torchcodec", its backend of that name on the CPU."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from decode_protocol import SIZE, Clip, DecodeClip, Unsupported, main

WHOLE = (0, 0, SIZE, SIZE)


def load() -> None:
    import av
    from PIL import Image

    from shards.decode import cpu

    assert av and Image and cpu


def open_decoder(mode: str) -> DecodeClip:
    if mode == "torchcodec":
        return _torchcodec()
    from shards.decode.cpu import decode as decode_clip
    from shards.media.clip_plan import ClipPlan
    from shards.media.facts import KeyFrames
    from shards.media.partial import PartialMedium
    from shards.media.videos.seekable import usable

    def video(data: bytes, clip: Clip) -> np.ndarray:
        table = KeyFrames(**clip["key_frames"]) if "key_frames" in clip else None
        with_table = "linear" not in mode and usable(table, len(data))
        media = PartialMedium.of_bytes(data, table) if with_table else data
        return decode_clip(media, "video", ClipPlan(tuple(clip["frames"]), (SIZE, SIZE), WHOLE))

    def pictures(data: bytes, clip: Clip) -> np.ndarray:
        return decode_clip(data, "frames", ClipPlan(tuple(clip["frames"]), (SIZE, SIZE), WHOLE))

    return pictures if "frames" in mode else video


def _torchcodec() -> DecodeClip:
    from shards.base.errors import NoDecoder
    from shards.decode.backends import open_backend
    from shards.media.clip_plan import ClipPlan

    try:
        backend = open_backend("torchcodec", count=_must_be_torchcodec)
    except NoDecoder as error:
        raise Unsupported(str(error)) from error

    def video(data: bytes, clip: Clip) -> np.ndarray:
        frames = backend.decode(data, "video", ClipPlan(tuple(clip["frames"]), (SIZE, SIZE), WHOLE))
        return frames if isinstance(frames, np.ndarray) else frames.cpu().numpy()

    return video


def _must_be_torchcodec(way: str) -> None:
    """Clips that the CPU decoder takes over are left out, as those that a system refuses."""
    if way != "torchcodec":
        raise ValueError(f"is decoded another way: {way}")


if __name__ == "__main__":
    main(load, open_decoder)
