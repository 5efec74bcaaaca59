"""The clips and pictures that are decoded, each with its plan."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CLIPS = ("bbb_tree.mp4", "city_night2.mp4", "sintel_dragons.mp4", "sintel_snow.mp4", "tree_window.mp4", "coin_pen.mov")
CLIPS_WITHOUT_GPU = ("bbb_burrow.webm", "bbb_grass.webm", "sintel_oldman.webm")
NUM_FRAMES, SIZE = 4, 224


def clips(short: bool, gpu: bool) -> list[tuple[bytes, ClipPlan]]:
    """(bytes, plan) of each clip; plans take frames from the whole length."""
    names = CLIPS if gpu else CLIPS_WITHOUT_GPU
    found = []
    for name in names:
        data = (SAMPLES / "videos" / name).read_bytes()
        if short:
            data = shorten(data, "libx264" if gpu else "libvpx")
        have = probe(data, "x.mkv" if short else name).num_frames
        frames = tuple((2 * i + 1) * have // (2 * NUM_FRAMES) for i in range(NUM_FRAMES))
        found.append((data, ClipPlan(frames, (256, 456), (16, 116, SIZE, SIZE))))
    return found


def pictures() -> list[tuple[bytes, ClipPlan]]:
    """(bytes, plan) of each picture, shown as a clip of equal frames."""
    plan = ClipPlan((0,) * NUM_FRAMES, (256, 342), (16, 59, SIZE, SIZE))
    return [(path.read_bytes(), plan) for path in sorted((SAMPLES / "images").glob("*.jpg"))]


def shorten(data: bytes, codec: str) -> bytes:
    """Short side 256, a key frame every 15 frames, no B-frames, at most 150 frames."""
    import av

    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format="matroska") as target:
        stream: Any = None
        for frame in itertools.islice(source.decode(video=0), 150):
            if stream is None:
                scale = 256 / min(frame.width, frame.height)
                stream = target.add_stream(codec, rate=25)
                stream.width, stream.height = (2 * round(scale * side / 2) for side in (frame.width, frame.height))
                stream.pix_fmt = "yuv420p"
                fast = {"preset": "veryfast"} if codec == "libx264" else {"deadline": "realtime", "cpu-used": "8"}
                stream.options = {"g": "15", "bf": "0"} | fast
            frame = frame.reformat(stream.width, stream.height, "yuv420p")
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()
