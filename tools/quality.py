"""Measure transcoded media against their source: similarity of the pictures, and speed of decoding of both.

Promises: PSNR and SSIM are computed by FFmpeg's filters on luma, between the decoded frame of the source, scaled to the
size of the output, and the same frame of the output; so they show the loss by coding and not that by scaling. Decoding
is timed in CPU seconds as the loader decodes (with the GOP table where it helps), source and output in turns.
NVDEC is not measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import MediaError
from shards.media import (
    SEEKABLE_CODECS,
    SEEKABLE_EXTENSIONS,
    ClipConfig,
    ClipPlan,
    KeyFrames,
    Media,
    MediaFacts,
    PartialMedium,
    frame_times,
    plan_clip,
    probe_key_frames,
    usable,
)
from tools.media.profiles import Profile

FRAMES_COMPARED = 4
"""Frames of each video that are compared."""
CLIP = ClipConfig(num_frames=4, size=224)
"""The clip whose decoding is timed."""
_PEAK = 255.0


class Medium(NamedTuple):
    """A medium as it is stored."""

    data: bytes
    ext: str

    def open(self) -> tuple[MediaFacts, Media]:
        """Its facts, and the medium as the loader hands it to a decoder."""
        facts, found = probe_key_frames(self.data, f"x.{self.ext}")
        table = KeyFrames.of(found)
        seekable = facts.codec in SEEKABLE_CODECS and self.ext in SEEKABLE_EXTENSIONS and usable(table, len(self.data))
        return facts, PartialMedium.of_bytes(self.data, table) if seekable else self.data


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures over some media and their transcoded forms."""

    media: int
    damaged: int
    """Further media that could not be compared, because a frame does not decode."""
    frames: int
    """Number of frames that were compared."""
    psnr_db: float | None
    """PSNR of the mean squared error over all frames; None: all frames are equal."""
    ssim: float
    """Mean over all frames."""
    worst_ssim: float
    """SSIM of the worst frame."""
    bytes_before: int
    bytes_after: int
    clips_per_s_before: float
    """4 frames at 224x224 each, per second of one CPU core."""
    clips_per_s_after: float

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def measure(pairs: Iterable[tuple[Medium, Medium]], profile: Profile) -> Quality | None:
    """Compare media with their transcoded forms; None where there are none.

    Of a damaged medium other frames may be asked for than the profile kept; those that cannot be decoded are counted.
    """
    errors: list[tuple[float, float]] = []
    seconds, sizes = np.zeros(2), np.zeros(2, np.int64)
    count = num_damaged = 0
    for before, after in pairs:
        try:
            found, took = _compare(before, after, profile), _time((before, after))
        except MediaError:
            num_damaged += 1
            continue
        count += 1
        sizes += len(before.data), len(after.data)
        errors += found
        seconds += took
    if not count:
        return None
    mse, ssim = np.array(errors).T
    mean = float(mse.mean())
    rates = count / seconds
    return Quality(
        media=count,
        damaged=num_damaged,
        frames=len(errors),
        psnr_db=10 * math.log10(_PEAK**2 / mean) if mean else None,
        ssim=float(ssim.mean()),
        worst_ssim=float(ssim.min()),
        bytes_before=int(sizes[0]),
        bytes_after=int(sizes[1]),
        clips_per_s_before=float(rates[0]),
        clips_per_s_after=float(rates[1]),
    )


def errors_of_frames(frames: NDArray[np.uint8], reference: NDArray[np.uint8]) -> list[tuple[float, float]]:
    """(mean squared error, SSIM) of the luma of each frame; both uint8 (T, H, W, 3), RGB."""
    import av
    from av import FFmpegError
    from av.filter import Graph
    from av.video.format import VideoFormat

    clock, rgb = Fraction(1, 25), VideoFormat("rgb24")
    _, height, width, _ = frames.shape
    graph = Graph()
    sources = [graph.add_buffer(width=width, height=height, format=rgb, time_base=clock) for _ in range(2)]
    filters = [graph.add("ssim"), graph.add("psnr")]
    sinks = [graph.add("buffersink") for _ in filters]
    for side, source in enumerate(sources):
        planes, both = graph.add("format", "pix_fmts=yuv444p"), graph.add("split")
        source.link_to(planes)
        planes.link_to(both)
        for number, filter_ in enumerate(filters):
            both.link_to(filter_, number, side)
    for filter_, sink in zip(filters, sinks, strict=True):
        filter_.link_to(sink)
    graph.configure()
    for number, pair in enumerate(zip(frames, reference, strict=True)):
        for source, picture in zip(sources, pair, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts, frame.time_base = number, clock
            source.push(frame)
    for source in sources:
        source.push(None)
    found: list[list[float]] = [[], []]
    for values, sink, name in zip(found, sinks, ("lavfi.ssim.Y", "lavfi.psnr.mse.y"), strict=True):
        try:
            while True:
                values.append(float(sink.pull().metadata[name]))
        except FFmpegError:  # the end of the stream
            pass
    assert len(found[0]) == len(found[1]) == len(frames), found
    return list(zip(found[1], found[0], strict=True))


def _compare(before: Medium, after: Medium, profile: Profile) -> list[tuple[float, float]]:
    from shards.decode import decode

    facts, media = after.open()
    source_facts, source = before.open()
    numbers = sorted({(2 * i + 1) * facts.num_frames // (2 * FRAMES_COMPARED) for i in range(FRAMES_COMPARED)})
    of_source: Sequence[int] = numbers
    if source_facts.kind == "video" and facts.kind in ("video", "frames"):
        times = frame_times(before.data)
        kept = profile.keep(times)
        of_source = [kept[number] for number in numbers]
    size = (facts.height, facts.width)

    def plan(frames: Sequence[int]) -> ClipPlan:
        return ClipPlan(tuple(frames), size, (0, 0, *size))

    return errors_of_frames(
        decode(media, facts.kind, plan(numbers)), decode(source, source_facts.kind, plan(of_source))
    )


def _time(pair: tuple[Medium, Medium]) -> list[float]:
    """CPU seconds for decoding a clip of each, the better of two runs."""
    from shards.decode import decode

    opened = [medium.open() for medium in pair]
    best = [math.inf, math.inf]
    for _ in range(2):
        for side, (facts, media) in enumerate(opened):
            config = CLIP if facts.kind != "image" else CLIP.model_copy(update={"num_frames": 1})
            plan = plan_clip(facts, config, np.random.default_rng(0))
            begin = time.thread_time()
            decode(media, facts.kind, plan)
            best[side] = min(best[side], time.thread_time() - begin)
    return best
