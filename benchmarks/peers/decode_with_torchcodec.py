"""torchcodec 0.13.0, the last CPU build: frames by number, then torch's antialiased bilinear resize (its own Resize
while decoding is slower and is a mode of its own: "resize inside")."""

from __future__ import annotations

from typing import Any

import numpy as np
from decode_protocol import SIZE, Clip, DecodeClip, main


def load() -> None:
    import torch
    import torchcodec.decoders
    import torchcodec.transforms  # noqa: F401

    torch.set_num_threads(1)


def open_decoder(mode: str) -> DecodeClip:
    def decode(data: bytes, clip: Clip) -> np.ndarray:
        import torch
        from torchcodec.decoders import VideoDecoder
        from torchcodec.transforms import Resize

        inside = "resize inside" in mode
        options: dict[str, Any] = {"transforms": [Resize((SIZE, SIZE))]} if inside else {}
        seek_mode: Any = "exact" if "exact" in mode else "approximate"
        decoder = VideoDecoder(data, seek_mode=seek_mode, num_ffmpeg_threads=1, dimension_order="NCHW", **options)
        frames = decoder.get_frames_at(clip["frames"]).data
        if not inside:
            frames = torch.nn.functional.interpolate(frames, (SIZE, SIZE), mode="bilinear", antialias=True)
        return frames.permute(0, 2, 3, 1).contiguous().numpy()

    return decode


if __name__ == "__main__":
    main(load, open_decoder)
