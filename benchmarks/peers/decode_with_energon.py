"""Megatron-Energon 7.4.1's AVDecoder (PyAV): one clip of a frame for each number."""

from __future__ import annotations

import io
import warnings

import numpy as np
from decode_protocol import SIZE, Clip, DecodeClip, main


def load() -> None:
    import megatron.energon.av  # noqa: F401
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")


def open_decoder(mode: str) -> DecodeClip:
    def decode(data: bytes, clip: Clip) -> np.ndarray:
        import torch
        from megatron.energon.av import AVDecoder

        ranges = [(number, number) for number in clip["frames"]]
        found, _ = AVDecoder(io.BytesIO(data)).get_video_clips(ranges, "frames", (SIZE, SIZE))
        return torch.cat(found).permute(0, 2, 3, 1).contiguous().numpy()

    return decode


if __name__ == "__main__":
    main(load, open_decoder)
