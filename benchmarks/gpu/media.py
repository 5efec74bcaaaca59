"""The clips and pictures that are decoded, each with its plan."""

from __future__ import annotations

import io
import itertools
import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from shards.media.clip_plan import ClipPlan
from shards.media.facts import KeyFrames
from shards.media.partial import PartialMedium
from shards.media.probe import probe_table
from shards.media.videos.seekable import usable

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MADE = Path("/tmp/mcg-gpu")
CLIPS = ("bbb_tree.mp4", "city_night2.mp4", "sintel_dragons.mp4", "sintel_snow.mp4", "tree_window.mp4", "coin_pen.mov")
CLIPS_WITHOUT_GPU = ("bbb_burrow.webm", "bbb_grass.webm", "sintel_oldman.webm")
NUM_FRAMES, SIZE = 8, 224


class Clip(NamedTuple):
    """A video as a loader has it, and a plan for it."""

    data: bytes
    ext: str
    table: KeyFrames | None
    plan: ClipPlan

    @property
    def media(self) -> bytes | PartialMedium:
        """For one thread."""
        return self.data if self.table is None else PartialMedium.of_bytes(self.data, self.table)


@lru_cache
def clips(what: str, gpu: bool) -> list[Clip]:
    """Plans take frames from the whole length. what: "original"; "own": what the profile h264_256 makes of them (short
    side 256, a key frame every 8 frames), on the CPU VP8 of that kind."""
    found = []
    for name in CLIPS if gpu else CLIPS_WITHOUT_GPU:
        data = (SAMPLES / "videos" / name).read_bytes()
        ext = name.rpartition(".")[2]
        if what == "own":
            data, ext = _own(name, data, ext, gpu)
        facts, rows = probe_table(data, f"x.{ext}")
        table = KeyFrames.of(rows).without_marks()
        frames = tuple((2 * i + 1) * facts.num_frames // (2 * NUM_FRAMES) for i in range(NUM_FRAMES))
        plan = ClipPlan(frames, (256, 456), (16, 116, SIZE, SIZE))
        found.append(Clip(data, ext, table if usable(table, len(data)) else None, plan))
    return found


def pictures() -> list[bytes]:
    return [path.read_bytes() for path in sorted((SAMPLES / "images").glob("*.jpg"))]


def _own(name: str, data: bytes, ext: str, gpu: bool) -> tuple[bytes, str]:
    """A clip in a small form, made once."""
    made_ext = "mp4" if gpu else "webm"
    path = MADE / f"{name}.own.{made_ext}"
    if not path.exists():
        MADE.mkdir(parents=True, exist_ok=True)
        if gpu:
            from tools.media.profiles import PROFILES
            from tools.media.transcode import transcode

            made = transcode(data, ext, PROFILES["h264_256"]).media
        else:
            made = _small_vp8(data)
        whole = path.with_suffix(f".{os.getpid()}")
        whole.write_bytes(made)
        whole.replace(path)
    return path.read_bytes(), made_ext


def _small_vp8(data: bytes) -> bytes:
    import av

    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format="webm") as target:
        first = source.streams.video[0]
        scale = 256 / min(first.width, first.height)
        stream = target.add_stream("libvpx", rate=25)
        stream.width, stream.height = (16 * round(scale * side / 16) for side in (first.width, first.height))
        stream.pix_fmt = "yuv420p"
        stream.options = {"g": "8", "deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "0"}
        for frame in itertools.islice(source.decode(video=0), 150):
            frame = frame.reformat(stream.width, stream.height, "yuv420p")
            frame.pts = None
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return out.getvalue()
