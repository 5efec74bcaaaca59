"""The clips of the decoding benchmarks: made once per folder, of real footage.

A set is a folder with encoded clips and `plan.json`: for each clip the frames that are asked for (8, the middles of
equal parts), its facts and its GOP table; `truth.npz` holds small pictures of the frames that decoding from the start
gives, so that a fast system that gives other frames is found out.

Footage: the H.264 clips of the test corpus (see MCG_CORPUS in CONTRIBUTING.md), else those of
samples/videos. `corpus` are these clips as they are. The other sets are 10 s at 25 frames per second, 640x360, without
sound, made of the longest of them (played to and fro where they are shorter): H.264 with a key frame every 250, 60 and
30 frames, VP9 with one every 128 (libvpx's default); and of those with GOP 250 what `tools transcode` makes of them:
`transcoded` (profile h264_256), `tenth` (h264_256_tenth) and `frames` (frames_8: the planned frames as JPEG).
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NUM_FRAMES, SIZE, THUMB = 8, 224, 32
SECONDS, FPS, WIDE, HIGH = 10, 25, 640, 360
NUM_CLIPS = 6
X264 = {"preset": "medium", "crf": "23", "sc_threshold": "0"}
"""x264's defaults (3 B frames, pyramid), but key frames only where the GOP length says."""
VIDEOS: dict[str, tuple[str, str, dict[str, str], tuple[int, int]]] = {
    "gop250": ("mp4", "libx264", X264 | {"g": "250", "keyint_min": "250"}, (WIDE, HIGH)),
    "gop60": ("mp4", "libx264", X264 | {"g": "60", "keyint_min": "60"}, (WIDE, HIGH)),
    "gop30": ("mp4", "libx264", X264 | {"g": "30", "keyint_min": "30"}, (WIDE, HIGH)),
    "vp9": ("webm", "libvpx-vp9", {"deadline": "good", "cpu-used": "5", "crf": "33", "b": "0"}, (WIDE, HIGH)),
}
PROFILES = {"transcoded": "h264_256", "tenth": "h264_256_tenth", "frames": "frames_8"}
"""Sets that `tools transcode` makes of gop250, and its profiles."""
SETS = ("corpus", *VIDEOS, *PROFILES)


def make(folder: Path, names: Sequence[str] = SETS) -> None:
    """Make the sets that are missing."""
    for name in names:
        place = folder / name
        if (place / "plan.json").exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        if name == "corpus":
            for path in footage():
                (place / path.name).write_bytes(path.read_bytes())
        elif name in PROFILES:
            _transcode(folder / "gop250", place, PROFILES[name])
        else:
            longest = sorted(footage(), key=_seconds)[-NUM_CLIPS:]
            ext, codec, options, size = VIDEOS[name]
            for path in longest:
                _encode(place / f"{path.stem}.{ext}", _to_and_fro(path), codec, options, size)
        _write_plan(place)


def read_plan(folder: Path) -> dict[str, Any]:
    """file -> {"frames", "key_frames": {"frames", "times", "offsets"}, "facts"}."""
    return dict(json.loads((folder / "plan.json").read_text()))


def thumbnails(frames: np.ndarray) -> np.ndarray:
    """frames: uint8 (T, SIZE, SIZE, 3) -> float32 (T, THUMB, THUMB, 3), means of squares."""
    side = SIZE // THUMB
    return frames.reshape(len(frames), THUMB, side, THUMB, side, 3).mean(axis=(2, 4), dtype=np.float32)


def footage() -> list[Path]:
    corpus = Path(os.environ.get("MCG_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (corpus / "videos").is_dir():
        return sorted((ROOT / "samples" / "videos").glob("*.mp4"))
    import csv

    with (corpus / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == "h264" and row["file"].startswith("videos/")]
    return sorted(corpus / row["file"] for row in rows)


def _seconds(path: Path) -> float:
    from shards.media.probe import probe

    facts = probe(path.read_bytes(), path.name)
    # Slide shows and screens are too easy, portrait does not fit.
    return facts.duration if facts.fps >= 23 and facts.width >= max(480, facts.height) else 0.0


def _pictures(path: Path, size: tuple[int, int]) -> Iterator[Any]:
    from shards.media.videos.video import decode_packet, demux, open_video

    with open_video(path.read_bytes()) as (container, stream):
        for packet in demux(container, stream):
            for frame in decode_packet(packet):
                yield frame.reformat(*size, "yuv420p", interpolation="BICUBIC")


def _to_and_fro(path: Path) -> list[Any]:
    pictures = list(_pictures(path, (WIDE, HIGH)))
    there_and_back = pictures + pictures[-2:0:-1]
    return [there_and_back[number % len(there_and_back)] for number in range(SECONDS * FPS)]


def _encode(path: Path, pictures: list[Any], codec: str, options: dict[str, str], size: tuple[int, int]) -> None:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=path.suffix[1:]) as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture.to_ndarray(), format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path.write_bytes(buffer.getvalue())


def _transcode(originals: Path, place: Path, profile: str) -> None:
    from tools.media.profiles import PROFILES
    from tools.media.transcode import transcode

    for path in sorted(originals.glob("*.mp4")):
        made = transcode(path.read_bytes(), "mp4", PROFILES[profile])
        (place / f"{path.stem}.{made.ext}").write_bytes(made.media)


def _middles(have: int) -> list[int]:
    return [(2 * i + 1) * have // (2 * NUM_FRAMES) for i in range(NUM_FRAMES)]


def _write_plan(place: Path) -> None:
    from shards.decode.cpu import decode
    from shards.media.clip_plan import ClipPlan
    from shards.media.kinds import kind_of
    from shards.media.probe import probe_key_frames

    plan: dict[str, Any] = {}
    truth: dict[str, np.ndarray] = {}
    whole = (0, 0, SIZE, SIZE)
    for path in sorted(place.iterdir()):
        data = path.read_bytes()
        facts, keys = probe_key_frames(data, path.name)
        frames = _middles(facts.num_frames)
        plan[path.name] = {
            "frames": frames,
            "num_frames": facts.num_frames,
            "key_frames": {
                "frames": [key.number for key in keys],
                "times": [float(np.float32(key.time)) for key in keys],
                "offsets": [key.offset for key in keys],
            },
        }
        kind = kind_of(path.suffix[1:]).name
        truth[path.name] = thumbnails(decode(data, kind, ClipPlan(tuple(frames), whole[2:], whole)))
    np.savez(place / "truth.npz", **truth)
    (place / "plan.json").write_text(json.dumps(plan))


if __name__ == "__main__":
    import sys

    make(Path(sys.argv[1]))
