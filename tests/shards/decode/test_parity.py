"""Every frame that plain linear decoding gives, our decoder gives bit for bit, with and without GOP table.

The reference is PyAV as its documentation shows it, without anything of ours but the scaler's flags.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from shards.base.errors import MediaError
from shards.decode.cpu import decode
from shards.decode.seek import NotAsIndexed, find_frames
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media
from shards.media.partial import PartialMedium
from shards.media.probe import probe
from shards.media.videos.seekable import usable
from tests.shards.films import gop_table

REPOSITORY = Path(__file__).resolve().parents[3]
SAMPLES = sorted((REPOSITORY / "samples" / "videos").glob("*.*"))
AT_ONCE = 800 << 20
"""Bytes of decoded frames that a plan may ask for; each further plan is decoded from the first frame on."""
TRAPS = (
    "videos/bbb_angry.ts",
    "videos/city_night.mpg",
    "videos/hello_screencast.mpg",
    "videos/tos_hall2.mpg",
    "videos/puck_slide.avi",
    "videos/hello_screencast_theora.ogg",
    "videos/horror_bw.ogv",
    "videos/cockatoo.mp4",
    "videos_odd/cockatoo_yuv444_seek_trap.mp4",
    "videos_odd/odd_size_333x187_yuv444.mp4",
    "videos_odd/big_time_offset.mp4",
    "videos_odd/negative_start.mkv",
    "videos_odd/firefox_start_at_47721s.mp4",
    "videos_odd/cut_mid_gop.mp4",
    "videos_odd/firefox_bipbop-no-edts.mp4",
)
"""What real files do: seeks that land late or give green frames, clocks that start late or below zero."""


def reference(path: Path, size: tuple[int, int], step: int) -> dict[int, int]:
    """Checksums of every step-th upright frame, RGB, and of the last one before the end or an error, by number.

    size: (height, width).
    """
    import av
    from av.video.reformatter import Interpolation

    flags = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    found: dict[int, int] = {}

    def keep(number: int, frame: av.VideoFrame) -> None:
        turns = frame.rotation // 90
        height, width = size if turns % 2 == 0 else size[::-1]
        picture = frame.reformat(width, height, "rgb24", interpolation=flags, threads=1).to_ndarray()
        found[number] = digest(np.rot90(picture, turns))

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        number = -1
        try:
            for number, frame in enumerate(container.decode(stream)):
                if number % step == step // 2:
                    keep(number, frame)
        except (av.error.FFmpegError, IndexError):  # hello_screencast_theora.ogg; PyAV at the end of some TS
            pass
        if number not in found:
            keep(number, frame)
    return found


def digest(picture: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(picture).data)


def ours(media: Media, size: tuple[int, int], numbers: Sequence[int]) -> list[int]:
    """Checksums of these frames at native size."""
    at_once = max(1, AT_ONCE // (3 * size[0] * size[1]))
    found: list[int] = []
    for first in range(0, len(numbers), at_once):
        plan = ClipPlan(tuple(numbers[first : first + at_once]), size, (0, 0, *size))
        found += map(digest, decode(media, "video", plan))
    return found


def compare(path: Path, step: int) -> None:
    """Compare every step-th frame, and the last, without and with the GOP table."""
    data = path.read_bytes()
    facts = probe(data, path.name)
    size = (facts.height, facts.width)
    expected = reference(path, size, step)
    numbers, wanted = list(expected), list(expected.values())
    assert abs(facts.num_frames - 1 - numbers[-1]) <= 2 or "ogg" in path.name or "ogv" in path.name, path.name
    assert ours(data, size, numbers) == wanted, path.name
    medium = with_table(path)
    if medium is None:
        return
    assert ours(medium, size, numbers) == wanted, path.name
    # One by one and backwards: each is found from a key frame of its own.
    some = numbers[:: -max(1, len(numbers) // 12)]
    assert [ours(medium, size, [number])[0] for number in some] == [expected[number] for number in some], path.name


def with_table(path: Path) -> PartialMedium | None:
    """The clip with its GOP table; None if the table is of no use."""
    data = path.read_bytes()
    table = gop_table(data, path.suffix[1:].lower())
    return PartialMedium.of_bytes(data, table) if usable(table, len(data)) else None


def finds_its_last(path: Path) -> bool:
    """Whether the last frame, of those that the index counts, is found by the GOP table."""
    medium = with_table(path)
    if medium is None:
        return False
    last = probe(path.read_bytes(), path.name).num_frames - 1
    try:
        return len(list(find_frames(medium, [last]))) > 0
    except (NotAsIndexed, MediaError):
        return False


@pytest.mark.skipif(not SAMPLES, reason="samples/videos is empty")
def test_samples_give_the_frames_of_linear_decoding() -> None:
    some = [path for path in SAMPLES[::2] if path.stat().st_size < 250_000]
    for path in some:
        compare(path, 29)
    assert sum(map(finds_its_last, some)) >= len(some) // 2


@pytest.mark.parametrize("name", TRAPS)
def test_traps_come_out_right(corpus: Path, name: str) -> None:
    path = corpus / name
    if not path.exists():
        pytest.skip(f"this corpus has no {name}")
    compare(path, 37)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(4))
def test_every_clip_of_the_corpus_gives_the_frames_of_linear_decoding(corpus: Path, part: int) -> None:
    """Every seventh: with step 1 it is every frame, seven minutes of CPU (all were equal on 2026-12-01)."""
    for path in clips_of(corpus)[part::4]:  # in parts, so that the last of the long tests is not one of minutes
        compare(path, 7)


@pytest.mark.long
def test_most_clips_of_the_corpus_are_found_by_their_gop_tables(corpus: Path) -> None:
    paths = clips_of(corpus)
    assert sum(map(finds_its_last, paths)) > 0.7 * len(paths)


def clips_of(corpus: Path) -> list[Path]:
    paths = sorted((corpus / "videos").iterdir())
    assert len(paths) >= 167
    return paths
