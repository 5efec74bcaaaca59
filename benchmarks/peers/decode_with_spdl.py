"""SPDL 0.8.0: demux, decode the packets that the frames need, scale inside FFmpeg's filter graph. Its filters run on
every frame that is decoded, wanted or not."""

from __future__ import annotations

import numpy as np
from decode_protocol import SIZE, Clip, DecodeClip, main


def load() -> None:
    import spdl.io  # noqa: F401


def open_decoder(mode: str) -> DecodeClip:
    def decode(data: bytes, clip: Clip) -> np.ndarray:
        import spdl.io

        packets = spdl.io.demux_video(data)
        wanted = sorted(set(clip["frames"]))
        frames = spdl.io.sample_decode_video(
            packets,
            wanted,
            decode_config=spdl.io.decode_config(decoder_options={"threads": "1"}),
            filter_desc=f"scale=w={SIZE}:h={SIZE}:flags=bilinear,format=pix_fmts=rgb24",
        )
        found = spdl.io.to_numpy(spdl.io.convert_frames(frames))
        return found[[wanted.index(number) for number in clip["frames"]]]

    return decode


if __name__ == "__main__":
    main(load, open_decoder)
