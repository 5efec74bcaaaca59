"""This project's CPU decoder: "exact" with the GOP table of the index, "linear" without it, "snapped" at key frames,
"frames" from stored pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from decode_protocol import SIZE, Clip, DecodeClip, main

WHOLE = (0, 0, SIZE, SIZE)


def load() -> None:
    import av
    from PIL import Image

    from shards.decode import cpu

    assert av and Image and cpu


def open_decoder(mode: str) -> DecodeClip:
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


if __name__ == "__main__":
    main(load, open_decoder)
