"""The samples of MP4 and MOV files: those that FFmpeg finds, under the numbers that it gives them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.decode.packing.mp4_samples import Samples, read_samples
from tests.shards.decode.twins import MEDIA
from tests.shards.films import OTHERS, SEEKABLE, Film, shoot

FILMS = SEEKABLE | OTHERS
READ = [name for name, film in FILMS.items() if film.codec in ("libx264", "libx265") and film.ext in ("mp4", "mov")]
READ.remove("fragments")


def samples_of(data: bytes) -> Samples:
    return read_samples(lambda start, length: data[start : start + length], len(data))


def check(data: bytes) -> None:
    samples = samples_of(data)
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        order = sorted(range(len(packets)), key=lambda place: packets[place].pts or 0)
        assert samples.extradata == stream.codec_context.extradata
        assert (samples.codec, samples.size) == (stream.codec_context.name, (stream.width, stream.height))
    assert samples.offsets.tolist() == [packet.pos for packet in packets]
    assert samples.sizes.tolist() == [packet.size for packet in packets]
    assert [samples.ranks.tolist().index(number) for number in range(len(packets))] == order
    assert samples.keys.tolist() == [place for place, packet in enumerate(packets) if packet.is_keyframe]


@pytest.mark.parametrize("name", READ)
def test_samples_are_those_that_ffmpeg_finds(name: str) -> None:
    check(shoot(FILMS[name]))


def test_a_video_of_key_frames_only_says_so() -> None:
    check(shoot(Film(options="preset=ultrafast g=1"), 20))


@pytest.mark.parametrize(
    "path", [path for path in MEDIA if path.name in ("coin_pen.mov", "sintel_snow.mp4")], ids=lambda path: path.name
)
def test_so_are_those_of_real_videos_with_sound(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"avc1", b"encv"), "another codec"),
        ((b"moov", b"free"), "no tables"),
        ((b"vide", b"soun"), "not one video track"),
        ((b"mvhd", b"mvex"), "fragments"),
        ((struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), bytes(36)), "turned"),
        ((b"stco", b"free"), None),
        ((b"avcC", b"free"), "no headers"),
    ],
)
def test_other_files_are_refused(change: tuple[bytes, bytes], reason: str | None) -> None:
    data = shoot(FILMS["h264"])
    at = data.index(b"tkhd") if len(change[0]) == 36 else 0  # the movie has a matrix of its own
    with pytest.raises((ValueError, struct.error), match=reason):
        samples_of(data[:at] + data[at:].replace(*change))


def test_frames_that_are_cut_off_at_the_beginning_are_noticed() -> None:
    data = shoot(FILMS["h264"])
    at = data.index(b"elst") + 12  # version, count, duration
    (first,) = struct.unpack_from(">i", data, at + 4)
    with pytest.raises(ValueError, match="edit list"):
        samples_of(data[: at + 4] + struct.pack(">i", first + 1) + data[at + 8 :])


@settings(max_examples=300)
@given(
    name=st.sampled_from(READ),
    places=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6),
)
def test_damaged_tables_are_refused_or_stay_inside_the_file(name: str, places: list[tuple[float, int]]) -> None:
    whole = shoot(FILMS[name])
    at = whole.index(b"moov") - 4
    size = int.from_bytes(whole[at : at + 4], "big")
    data = bytearray(whole)
    for place, change in places:
        data[at + int(place * size)] ^= change
    try:
        samples = samples_of(bytes(data))
    except (ValueError, KeyError, struct.error):
        return
    assert samples.offsets.min() >= 0 and (samples.offsets + samples.sizes).max() <= len(data)
    assert sorted(samples.ranks.tolist()) == list(range(len(samples.sizes))) and samples.keys.max() < len(samples.sizes)
