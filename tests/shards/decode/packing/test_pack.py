"""The planned frames of an indexed MP4, packed without FFmpeg: the frames of linear decoding, or nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.base.errors import MediaError
from shards.decode.decoder import Unsuitable
from shards.decode.packing.nvdec import Limits
from shards.decode.packing.pack import pack, packed
from shards.decode.packing.remux import remux
from shards.media.facts import KeyFrames
from shards.media.partial import PartialMedium
from shards.media.probe import probe, probe_table
from shards.media.spans import Span
from shards.media.videos.seekable import SEEKABLE_EXTENSIONS, usable
from tests.shards.decode.packing.shown import check, show
from tests.shards.decode.twins import MEDIA, is_video
from tests.shards.films import NUM_FRAMES, OTHERS, SEEKABLE, Film, Store, gop_table, shoot

FILMS = SEEKABLE | OTHERS
PACKED = (
    *("h264", "h264, open GOPs", "h264, GOPs of 3", "h264, tables in front", "h264, variable rate", "h264 in mov"),
    "rolling refresh",
)
LONG = {
    "h264": Film(options="preset=ultrafast g=60 keyint_min=60 sc_threshold=0 bf=2"),
    "hevc": Film("libx265", options="preset=ultrafast x265-params=keyint=60:min-keyint=60:scenecut=0:log-level=none"),
}
PLANS = st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=5)


def medium(data: bytes, ext: str = "mp4") -> PartialMedium:
    return PartialMedium.of_bytes(data, gop_table(data, ext))


@lru_cache
def all_frames(film: Film, num_frames: int) -> np.ndarray:
    return show(shoot(film, num_frames), *range(num_frames))


@settings(max_examples=60)
@given(name=st.sampled_from(PACKED), wanted=PLANS)
def test_any_plan_finds_its_frames(name: str, wanted: list[int]) -> None:
    film = FILMS[name]
    found = pack(medium(shoot(film), film.ext), wanted)
    assert found is not None
    assert np.array_equal(show(found.data, *found.frames), all_frames(film, NUM_FRAMES)[wanted])


@settings(max_examples=40)
@given(name=st.sampled_from(sorted(LONG)), wanted=st.lists(st.integers(0, 1499), min_size=1, max_size=5))
def test_frames_stay_in_order_whatever_is_left_out(name: str, wanted: list[int]) -> None:
    data = shoot(LONG[name], 1500)
    found = pack(medium(data), wanted)
    if found is None:  # shown before the key frame that it follows
        with pytest.raises(Unsuitable, match="open GOP"):
            remux(data, wanted, True)
        return
    assert np.array_equal(show(found.data, *found.frames), all_frames(LONG[name], 1500)[wanted])


@pytest.mark.parametrize("name", sorted(LONG))
def test_of_a_minute_only_the_needed_packets_are_packed(name: str) -> None:
    data = shoot(LONG[name], 1500)
    found = pack(medium(data), (100, 500, 1000, 1400))
    assert found is not None and len(found.data) <= 0.25 * len(data)


def test_of_a_remote_video_only_what_is_needed_is_fetched() -> None:
    data = shoot(LONG["h264"], 1500, (144, 176))
    store = Store(data)
    found = pack(store.medium(gop_table(data, "mp4")), (100, 101, 1000))
    assert found is not None and sum(store.given) < 0.25 * len(data) and len(store.requests) == 1
    assert np.array_equal(show(found.data, *found.frames), show(data, 100, 101, 1000))


@pytest.mark.parametrize("name", ["h264", "vp9 in mp4"])
def test_bytes_are_fetched_while_no_slot_of_the_cpu_is_held(name: str) -> None:
    film, is_held, held = FILMS[name], False, []
    data = shoot(film)
    store = Store(data)

    def fetch(spans: list[Span]) -> list[bytes]:
        held.append(is_held)
        return store.fetch(spans)

    @contextmanager
    def slot() -> Iterator[None]:
        nonlocal is_held
        is_held = True
        yield
        is_held = False

    video = packed(PartialMedium(len(data), gop_table(data, film.ext), fetch), (0, 5), True, using_cpu=slot)
    assert np.array_equal(show(video.data, *video.frames), show(data, 0, 5))
    assert held and not any(held)


@pytest.mark.parametrize("name", sorted(set(FILMS) - set(PACKED) - {"hevc, open GOPs"}))
def test_what_is_of_another_kind_is_not_packed(name: str) -> None:
    film = FILMS[name]
    assert pack(medium(shoot(film), film.ext), (0, 5)) is None


@pytest.mark.parametrize("name", ["h264", "hevc, open GOPs"])
@pytest.mark.parametrize("size", [(360, 250), (250, 484), (64, 96), (270, 480), (66, 50)])
def test_every_size_is_given_as_it_is_coded(size: tuple[int, int], name: str) -> None:
    data = shoot(FILMS[name], 24, size)
    found = pack(medium(data), (0, 5, 13, 13))
    assert found is not None
    check(data, probe(data, "clip.mp4"), (0, 5, 13, 13), found)


def test_a_turned_video_is_not_packed(make_clip: Callable[..., bytes]) -> None:
    assert pack(medium(make_clip(3, rotation=90)), (0,)) is None


def test_limits_of_the_gpu_hold(make_clip: Callable[..., bytes]) -> None:
    media = medium(make_clip(3, (64, 96)))
    with pytest.raises(Unsuitable, match="codec: h264, for which this GPU has no decoder"):
        pack(media, (0,), lambda codec: None)
    with pytest.raises(Unsuitable, match="limits: h264: 96x64; this GPU decodes it from 128x128 on"):
        pack(media, (0,), lambda codec: Limits(1, (128, 128), (4096, 4096), 65536))
    assert pack(media, (0,), lambda codec: Limits(1, (48, 16), (4096, 4096), 65536)) is not None


def test_a_frame_behind_the_end_is_not_packed(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(Unsuitable, match="short: frame 12 of 12"):
        pack(medium(make_clip(12)), (0, 12))


def test_a_table_of_another_video_is_noticed() -> None:
    data, other = shoot(FILMS["h264"]), gop_table(shoot(FILMS["h264, open GOPs"]), "mp4")
    assert pack(PartialMedium.of_bytes(data, other), (5,)) is None
    frames, times, offsets = gop_table(data, "mp4")
    moved = KeyFrames([frames[0], *(number + 1 for number in frames[1:])], times, offsets)
    assert pack(PartialMedium.of_bytes(data, moved), (5,)) is None


@settings(max_examples=200)
@given(
    name=st.sampled_from(["h264", "h264, tables in front", "hevc, open GOPs"]),
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=8),
    cut=st.floats(0, 1),
)
def test_damaged_tables_give_frames_or_nothing(name: str, places: list[tuple[float, int]], cut: float) -> None:
    whole = shoot(FILMS[name])
    table = gop_table(whole, "mp4")
    tables = whole.index(b"moov")
    size = int.from_bytes(whole[tables - 4 : tables], "big")
    data = bytearray(whole)
    for place, change in places:
        data[tables + int(place * size) - 4] ^= change
    for damaged in (bytes(data), bytes(data[: int(cut * len(data))])):
        if table.offsets[-1] >= len(damaged):
            continue
        try:
            pack(PartialMedium.of_bytes(damaged, table), (0, 40))
        except (Unsuitable, MediaError):
            continue


@pytest.mark.parametrize(
    "path", [path for path in MEDIA if path.suffix in (".mp4", ".mov") and is_video(path)], ids=lambda path: path.name
)
def test_real_videos_keep_their_frames_and_their_size(path: Path) -> None:
    assert _compare(path) in ("packed", "not packed", "")


@pytest.mark.long
def test_every_video_of_the_corpus_keeps_its_frames(corpus: Path) -> None:
    found = Counter(_compare(path) for path in sorted((corpus / "videos").iterdir()))
    assert found["packed"] >= 75 and found["packed"] + found["not packed"] + found[""] == found.total() == 167


def _compare(path: Path) -> str:
    """Pack frames of a video and compare them with those of linear decoding; returns what became of it."""
    data = path.read_bytes()
    facts, table = probe_table(data, path.name)
    frames = KeyFrames.of(table).without_marks()
    if path.suffix[1:] not in SEEKABLE_EXTENSIONS or not usable(frames, len(data)):
        return ""
    drawn = np.random.default_rng(facts.num_frames).integers(0, facts.num_frames, 4).tolist()
    plans = [(0, facts.num_frames // 3, facts.num_frames - 1), tuple(drawn), (facts.num_frames // 2,)]
    for wanted in plans:
        try:
            found = pack(PartialMedium.of_bytes(data, frames), wanted)
        except Unsuitable:
            return "unsuitable"
        if found is None:
            return "not packed"
        check(data, facts, wanted, found, frozenset(chain(*plans)))
        try:
            remuxed = remux(data, wanted, True)
        except Unsuitable as unsuitable:
            assert unsuitable.reason in ("hidden frames", "open GOP")  # these are not among what is packed
        else:
            assert (found.window, found.colour) == (remuxed.window, remuxed.colour)
    return "packed"
