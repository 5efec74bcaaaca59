"""A remuxed video shows what linear decoding shows, under the same numbers; what DALI gets wrong is turned away."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import av
import numpy as np
import pytest
from av import Packet
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.decode.decoder import Unsuitable
from shards.decode.packing.remux import GPU_CODECS, TICKS, remux
from shards.media.probe import probe
from shards.media.videos.video import demux, open_video
from tests.shards.bars import Take, film, without_first
from tests.shards.bars import remux as remux_packets
from tests.shards.decode.packing.shown import check, show
from tests.shards.decode.twins import MEDIA, is_video
from tests.shards.films import NUM_FRAMES, OTHERS, SEEKABLE, Film, shoot

FILMS = SEEKABLE | OTHERS
KEPT_FROM_DALI = {
    "h264, 4:4:4": "pixel format",
    "h264, GOPs of 3": "",
    "rolling refresh": "",
}


@pytest.mark.parametrize("name", [name for name in FILMS if not KEPT_FROM_DALI.get(name)])
def test_a_remuxed_video_has_the_same_frames_under_the_same_numbers(name: str) -> None:
    data = shoot(FILMS[name])
    wanted = (0, 1, 37, NUM_FRAMES - 1, 60, 60)
    if name == "mpeg4":  # whose GOPs are open: two frames before each key frame are stored behind it
        wanted = (0, 3, 36, NUM_FRAMES - 1, 60, 60)
    remuxed = remux(data, wanted, True)
    assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@settings(max_examples=25)
@given(
    name=st.sampled_from(["h264, open GOPs", "hevc, open GOPs", "mpeg4", "vp9, hidden frames", "av1"]),
    wanted=st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=4),
)
def test_any_plan_finds_its_frames_or_is_turned_away_for_an_open_gop(name: str, wanted: list[int]) -> None:
    data = shoot(FILMS[name])
    try:
        remuxed = remux(data, wanted, True)
    except Unsuitable as unsuitable:
        assert unsuitable.reason == "open GOP" and name in ("hevc, open GOPs", "mpeg4")
        return
    assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@pytest.mark.parametrize("path", [path for path in MEDIA if is_video(path)], ids=lambda path: path.name)
def test_real_videos_keep_their_frames_and_their_size(path: Path) -> None:
    data = path.read_bytes()
    facts = probe(data, path.name)
    wanted = (0, facts.num_frames // 3)
    try:
        remuxed = remux(data, wanted, True)
    except Unsuitable as unsuitable:
        reasons = ("codec", "pixel format", "rotation", "odd size", "hidden frames", "time stamps")
        assert unsuitable.reason in reasons and (facts.codec not in GPU_CODECS) == (unsuitable.reason == "codec")
        return
    check(data, facts, wanted, remuxed)


@pytest.mark.long
def test_every_video_of_the_corpus_keeps_its_frames_and_is_shown_as_it_is_coded(corpus: Path) -> None:
    given, turned_away = Counter[str](), Counter[str]()
    for path in sorted((corpus / "videos").iterdir()):
        data = path.read_bytes()
        facts = probe(data, path.name)
        drawn = np.random.default_rng(facts.num_frames).integers(0, facts.num_frames, 4).tolist()
        plans = [(0, facts.num_frames // 3, facts.num_frames - 1), tuple(drawn), (facts.num_frames // 2,)]
        for wanted in plans:
            try:
                remuxed = remux(data, wanted, True)
            except Unsuitable as unsuitable:
                turned_away[f"{facts.codec}: {unsuitable.reason}"] += 1
                continue
            check(data, facts, wanted, remuxed, frozenset(chain(*plans)))
            given[facts.codec] += 1
    assert given["h264"] >= 250 and given["hevc"] >= 30
    for codec in ("h264", "hevc"):  # none for its size
        reasons = {found.partition(": ")[2] for found in turned_away if found.startswith(codec)}
        assert reasons <= {"pixel format", "hidden frames", "rotation", "open GOP"}


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("libx264", "preset=ultrafast g=60 keyint_min=60 sc_threshold=0"),
        ("libx265", "preset=ultrafast x265-params=keyint=60:min-keyint=60:scenecut=0:log-level=none"),
        ("libvpx-vp9", "g=60 keyint_min=60 deadline=realtime cpu-used=8"),
    ],
)
def test_of_a_minute_only_the_groups_of_the_planned_frames_are_given(codec: str, options: str) -> None:
    ext = "webm" if "vp9" in codec else "mp4"
    data, wanted = shoot(Film(codec, ext, options), 1500), (100, 500, 1000, 1400)
    remuxed = remux(data, wanted, True)
    assert len(remuxed.data) <= 0.25 * len(data)
    assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@pytest.mark.parametrize("wanted", [(31, 111, 900), (111, 1490), (47, 640, 301)])
def test_frames_of_hevc_stay_in_order_over_groups_that_are_left_out(wanted: tuple[int, ...]) -> None:
    """They are ordered by the low bits of a count, which more than half of them left out turn back."""
    options = "preset=ultrafast x265-params=keyint=60:min-keyint=60:scenecut=0:log-level=none"
    data = shoot(Film("libx265", "mp4", options), 1500)
    remuxed = remux(data, wanted, True)
    assert np.array_equal(show(remuxed.data, *remuxed.frames), show(data, *wanted))


@pytest.mark.parametrize("name", [name for name, reason in KEPT_FROM_DALI.items() if reason])
def test_what_a_gpu_would_show_wrong_is_turned_away(name: str) -> None:
    with pytest.raises(Unsuitable, match=KEPT_FROM_DALI[name]):
        remux(shoot(FILMS[name]), (0,), True)


def test_frames_that_are_never_shown_are_not_counted_as_dali_would(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(5, codec="libvpx")
    with open_video(data) as (container, stream):
        packets = [bytes(packet) for packet in demux(container, stream) if packet.size]
    hidden = bytes((packets[3][0] & ~0x10, *packets[3][1:]))
    with pytest.raises(Unsuitable, match="hidden frames"):
        remux(data.replace(packets[3], hidden), (0,), False)


def test_a_rotated_video_is_turned_away(make_clip: Callable[..., bytes]) -> None:
    with pytest.raises(Unsuitable, match="rotation"):
        remux(make_clip(3, rotation=90), (0,), True)


def test_odd_sizes_are_turned_away_on_a_gpu_only(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(3, (33, 47), "libvpx-vp9")
    with pytest.raises(Unsuitable, match="odd size: 47x33"):
        remux(data, (0,), True)
    assert remux(data, (0,), False).frames == (0,)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("size", [(250, 250), (242, 254), (360, 250), (250, 640), (16, 50), (270, 484)])
def test_every_even_size_is_given_as_it_is_coded(
    make_clip: Callable[..., bytes], size: tuple[int, int], codec: str
) -> None:
    data = make_clip(4, size, codec)
    check(data, probe(data, "clip.mp4"), (0, 3), remux(data, (0, 3), True))


def test_a_frame_behind_the_end_is_not_asked_for(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(40, codec="libvpx-vp9")
    with pytest.raises(Unsuitable, match="short: frame 40 of 40"):
        remux(data, (0, 40), False)
    with pytest.raises(Unsuitable, match=r"short: frame 39 of \d+|damaged"):
        remux(data[: len(data) // 2], (0, 39), False)


def test_codecs_of_the_cpu_operators_are_fewer() -> None:
    with pytest.raises(Unsuitable, match="codec: h264"):
        remux(shoot(Film(options="preset=ultrafast")), (0,), False)


def test_bytes_that_are_no_video_are_unsuitable() -> None:
    for data in (b"", b"<html>", bytes(5000)):
        with pytest.raises(Unsuitable, match="damaged: not a video"):
            remux(data, (0,), True)


def test_a_container_that_lies_about_the_size_is_turned_away(make_clip: Callable[..., bytes]) -> None:
    data = make_clip(5, (64, 96), "libvpx")
    at = data.index(b"\xb0\x81\x60")  # PixelWidth, one byte: 96
    with pytest.raises(Unsuitable, match=r"size: the container says 48x64, the first frame is \(96, 64\)"):
        remux(data[: at + 2] + b"\x30" + data[at + 3 :], (0,), False)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    av.logging.set_level(av.logging.PANIC)
    yield


def test_a_joined_stream_is_left_to_the_cpu_also_where_no_time_comes_twice() -> None:
    take = Take("libx264", "ts", "preset=ultrafast g=25 bf=0")

    def later(place: int, packet: Packet) -> None:
        packet.pts, packet.dts = packet.pts + 1800, packet.dts + 1800

    second = remux_packets(film(take, 30), "ts", change=later, mpegts_copyts="1")
    with pytest.raises(Unsuitable, match=r"time stamps|damaged"):
        remux(film(take, 60) + second, [0, 70], gpu=True)


def test_a_stream_that_starts_between_key_frames_is_left_to_the_cpu() -> None:
    for take in (Take("libx264", "mp4", "preset=ultrafast g=25 bf=2"), Take("mpeg4", "mp4", "g=12")):
        data = without_first(film(take), "mp4", 7).replace(b"stss", b"free")
        with pytest.raises(Unsuitable, match=r"open GOP|hidden frames"):
            remux(data, [0, 7], gpu=True)


def test_decoding_may_begin_at_the_frames_from_which_it_gives_the_same() -> None:
    """Also where the container marks others: in H.264 pictures inside an open GOP, or in the midst of a refresh."""
    for name in ("h264, open GOPs", "rolling refresh", "h264", "vp9 in mp4"):
        data = shoot(FILMS[name])
        remuxed = remux(data, (0, NUM_FRAMES - 1), True)
        starts = remuxed.starts
        assert starts[0] == 0 and sorted(set(starts)) == list(starts)
        with av.open(io.BytesIO(remuxed.data)) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        keys = [packet.pts // TICKS for packet in packets if packet.is_keyframe]
        assert set(starts) <= set(keys)
        if name in ("h264, open GOPs", "rolling refresh"):
            assert len(starts) < len(keys) or len(keys) == 1
        else:
            assert len(starts) > 1


def test_codecs_may_be_named() -> None:
    data = shoot(FILMS["h264"])
    assert remux(data, (3,), False, codecs=("h264",)).frames
    with pytest.raises(Unsuitable, match="codec: h264"):
        remux(data, (3,), True, codecs=("vp9",))


def test_packets_of_two_pictures_have_the_times_of_others() -> None:
    data = shoot(FILMS["mpeg4"])
    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as container, av.open(out, "w", format="mp4") as copy:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        target = copy.add_stream_from_template(stream)
        joined = Packet(bytes(packets[1]) + bytes(packets[2]))
        joined.pts, joined.dts, joined.time_base = packets[1].pts, packets[1].dts, packets[1].time_base
        for packet in (packets[0], joined, *packets[3:]):
            packet.stream = target
            copy.mux_one(packet)
    with pytest.raises(Unsuitable, match="time stamps: two pictures in a packet"):
        remux(out.getvalue(), (0,), True)
