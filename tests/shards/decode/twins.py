"""Two decoders on the same plan: how far their frames are apart, and whether they are the same frames.

Used by the tests with DALI's CPU operators, and by benchmarks/gpu_check.py on a GPU; needs no pytest.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shards.decode.decoder import Decoder, Frames
from shards.media.clip_plan import ClipPlan
from shards.media.kinds import VIDEO_EXTENSIONS
from shards.media.probe import probe

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
MEDIA = sorted(path for kind in ("videos", "images") for path in (SAMPLES / kind).glob("*.*"))

TOLERANCE = {
    # codec: (mean, 99th percentile) of the absolute difference, levels of 255
    **dict.fromkeys(("vp8", "vp9", "mjpeg"), (3.0, 25.0)),
    **dict.fromkeys(("h264", "hevc", "av1", "mpeg4"), (3.5, 30.0)),
    **dict.fromkeys(("jpeg", "png", "webp", "bmp"), (3.0, 15.0)),
}
"""What the same plan may differ by between DALI and the CPU decoder. Most of it, on video, is 1.5 levels of brightness
by which FFmpeg's fast conversion is too dark, and chroma at sharp edges, which the two scale up differently. Those of
the second line were chosen before any GPU was at hand."""


class Difference(NamedTuple):
    """Between two clips, levels of 255."""

    mean: float
    p99: float

    def within(self, codec: str) -> bool:
        mean, p99 = TOLERANCE[codec]
        return self.mean <= mean and self.p99 <= p99


def on_cpu(frames: Frames) -> npt.NDArray[np.int16]:
    """Frames of either kind as numbers that can be subtracted."""
    array = frames if isinstance(frames, np.ndarray) else frames.cpu().numpy()
    return array.astype(np.int16)


def difference(one: Frames, other: Frames) -> Difference:
    apart = np.abs(on_cpu(one) - on_cpu(other))
    return Difference(float(apart.mean()), float(np.percentile(apart, 99)))


def plans_of(kind: str, num_frames: int) -> list[ClipPlan]:
    """Squashed; a crop of a larger frame, mirrored, with frames repeated and running backwards; scaled up."""
    last = num_frames - 1
    frames = (0, last // 3, last) if kind == "video" else (0, 0)
    odd = (last // 2, last // 4, last // 4, 0) if kind == "video" else (0,)
    return [
        ClipPlan(frames, (112, 112), (0, 0, 112, 112)),
        ClipPlan(odd, (128, 228), (9, 57, 112, 112), True),
        ClipPlan(odd[:1], (500, 700), (100, 333, 150, 201)),
    ]


def compare(path: Path, decoder: Decoder, twin: Decoder) -> tuple[str, list[Difference]]:
    """(codec, differences) of a medium over its plans. Raises MediaError."""
    data = path.read_bytes()
    facts = probe(data, path.name)
    found = []
    for plan in plans_of(facts.kind, facts.num_frames):
        found.append(difference(decoder(data, facts.kind, plan), twin(data, facts.kind, plan)))
    return facts.codec, found


def wrong_numbers(path: Path, decoder: Decoder, twin: Decoder) -> list[tuple[int, int]]:
    """(asked for, shown) where a frame of the decoder is nearer to another frame of its twin than to the same one.

    Looks at the ends and the middle. Frames that are all but the same as another one are left out, and what all of a
    clip are brighter by.
    """
    data = path.read_bytes()
    facts = probe(data, path.name)
    last = facts.num_frames - 1
    asked = sorted(
        {number for base in (0, last // 2, last - 2) for number in range(base, base + 3) if 0 <= number <= last}
    )
    plan = ClipPlan(tuple(asked), (72, 96), (0, 0, 72, 96))
    ours, theirs = on_cpu(decoder(data, "video", plan)), on_cpu(twin(data, "video", plan))
    ours = ours - (ours - theirs).mean()
    own = [np.abs(theirs[place] - theirs).mean(axis=(1, 2, 3)) for place in range(len(asked))]
    wrong = []
    for place, number in enumerate(asked):
        others = np.delete(own[place], place)
        if len(others) and others.min() < 1:
            continue
        shown = asked[int(np.abs(ours[place] - theirs).mean(axis=(1, 2, 3)).argmin())]
        if shown != number:
            wrong.append((number, shown))
    return wrong


def is_video(path: Path) -> bool:
    return path.suffix[1:].lower() in VIDEO_EXTENSIONS
