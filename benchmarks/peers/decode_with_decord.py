"""decord 0.6.0: frames by number, resized by libswscale (bicubic)."""

from __future__ import annotations

import io

import numpy as np
from decode_protocol import SIZE, Clip, DecodeClip, main


def load() -> None:
    import decord  # noqa: F401


def open_decoder(mode: str) -> DecodeClip:
    def decode(data: bytes, clip: Clip) -> np.ndarray:
        import decord

        reader = decord.VideoReader(io.BytesIO(data), decord.cpu(0), width=SIZE, height=SIZE, num_threads=1)
        return reader.get_batch(clip["frames"]).asnumpy()

    return decode


if __name__ == "__main__":
    main(load, open_decoder)
