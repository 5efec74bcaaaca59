"""Plain PyAV 18.1.0, as its documentation shows it: "linear" decodes up to the last frame; "seek" goes to the time of
each frame that is not near ahead. Bilinear, libswscale's fastest."""

from __future__ import annotations

import io

import numpy as np
from decode_protocol import SIZE, Clip, DecodeClip, Unsupported, main


def load() -> None:
    import av  # noqa: F401


def open_decoder(mode: str) -> DecodeClip:
    return _linear if "linear" in mode else _seek


def _picture(frame: object) -> np.ndarray:
    return frame.reformat(SIZE, SIZE, "rgb24", interpolation="BILINEAR").to_ndarray()  # type: ignore[attr-defined]


def _linear(data: bytes, clip: Clip) -> np.ndarray:
    import av

    wanted, found = set(clip["frames"]), {}
    with av.open(io.BytesIO(data)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                found[number] = _picture(frame)
                if len(found) == len(wanted):
                    break
    return np.stack([found[number] for number in clip["frames"]])


def _seek(data: bytes, clip: Clip) -> np.ndarray:
    import av

    found: dict[int, np.ndarray] = {}
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if not stream.average_rate or not stream.time_base:
            raise Unsupported("the stream has no frame rate")
        ticks = float(1 / stream.average_rate / stream.time_base)
        first = stream.start_time or 0
        index = stream.index_entries
        at = -1.0  # the time that decoding has reached
        frames = container.decode(video=0)
        for number in sorted(set(clip["frames"])):
            target = first + number * ticks
            # Seek only where a key frame lies between here and there.
            key = index.search_timestamp(int(target + ticks / 2))
            if key >= 0 and index[key].timestamp > at:
                container.seek(int(target + ticks / 2), stream=stream)
                frames = container.decode(video=0)
            for frame in frames:
                at = float(frame.pts)
                if at > target - ticks / 2:
                    found[number] = _picture(frame)
                    break
    return np.stack([found[number] for number in clip["frames"]])


if __name__ == "__main__":
    main(load, open_decoder)
