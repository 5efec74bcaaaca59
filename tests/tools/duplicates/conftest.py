"""Small clips of moving shapes, changed as copies of real ones are, and datasets of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shards.dataset.writing.writer import DatasetWriter
from shards.media.probe import probe

Frames = NDArray[np.uint8]


def clip(seed: int, frames: int = 24) -> Frames:
    """(frames, 96, 128, 3) a textured ground on which discs move."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    ground = np.asarray(small.resize((128, 96), Image.Resampling.BICUBIC))
    y, x = np.mgrid[:96, :128]
    discs = [(rng.uniform(10, 90, 2), rng.uniform(-60, 60, 2), rng.integers(0, 256, 3)) for _ in range(4)]
    found = np.repeat(ground[None], frames, axis=0)
    for number in range(frames):
        for place, speed, colour in discs:
            top, left = place + speed * number / frames
            found[number][(y - top) ** 2 + (x - left) ** 2 < 180] = colour
    return found


def video(frames: Frames, rate: int = 12, quality: int = 26) -> bytes:
    """The frames as an MP4 with H.264."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(quality), "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1] // 2 * 2, frames.shape[2] // 2 * 2, "yuv420p"
        for frame in frames[:, : stream.height, : stream.width]:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def with_logo(frames: Frames) -> Frames:
    found = frames.copy()
    found[:, 6:18, 100:122] = (250, 250, 250)
    found[:, 9:15, 104:112] = (200, 20, 20)
    return found


COPIES: dict[str, Callable[[Frames], bytes]] = {
    "encoded": lambda frames: video(frames, quality=36),
    "mirrored": lambda frames: video(frames[:, :, ::-1]),
    "cropped": lambda frames: video(frames[:, 4:90, 8:123]),
    "slowed": lambda frames: video(frames, rate=11),
    "logo": lambda frames: video(with_logo(frames)),
}


def write(folder: Path, media: Mapping[str, bytes], name: str = "", ids: Mapping[str, str] | None = None) -> Path:
    """A dataset of media by key, in shards of 3; what is no video is written as one all the same."""
    with DatasetWriter(folder, name or folder.name, samples_per_shard=3) as writer:
        for key, data in media.items():
            broken = not data.startswith((b"\0\0\0", b"\x89PNG"))
            ext = "png" if data.startswith(b"\x89PNG") else "mp4"
            facts = probe(BROKEN_FACTS_OF if broken else data, f"x.{ext}")
            writer.write(key, data, ext, [{"caption": f"about {key}"}], {"id": (ids or {}).get(key, key)}, facts)
    return folder


BROKEN_FACTS_OF = video(clip(0, 4))


@pytest.fixture(scope="session")
def clips() -> dict[int, Frames]:
    return {seed: clip(seed) for seed in range(1, 6)}


@pytest.fixture(scope="session")
def toy(clips: dict[int, Frames], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five clips, the five copies of the first, the bytes of the second again, a black one and a broken one."""
    media = {f"c{seed}": video(frames) for seed, frames in clips.items()}
    media |= {name: copy(clips[1]) for name, copy in COPIES.items()}
    media |= {"again": media["c2"], "black": video(np.zeros_like(clips[1])), "broken": b"no video"}
    return write(tmp_path_factory.mktemp("toy") / "toy", media)
