"""An MP4 may claim as many samples as its size allows; whatever else it is, it passes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.media.videos.mp4 import BYTES_PER_SAMPLE, MAX_FREE_SAMPLES, check_sample_counts
from tests.shards.mp4_bomb import box, mp4

SAMPLES = sorted((Path(__file__).resolve().parents[4] / "samples" / "videos").glob("*.*"))


@pytest.mark.parametrize("fragmented", [False, True])
def test_more_samples_than_bytes_allow_are_refused(fragmented: bool) -> None:
    check_sample_counts(mp4(MAX_FREE_SAMPLES, fragmented))
    with pytest.raises(ValueError, match=r"its tables claim 80000000 samples in \d+ bytes, the limit is 41\d+$"):
        check_sample_counts(mp4(80_000_000, fragmented))


def test_a_large_file_may_claim_more() -> None:
    file = mp4(MAX_FREE_SAMPLES + 1000)
    check_sample_counts(file + box(b"free", bytes(1000 * BYTES_PER_SAMPLE)))


def test_many_tracks_are_counted_together() -> None:
    with pytest.raises(ValueError, match="claim 6000000 samples"):
        check_sample_counts(mp4(3_000_000) + mp4(3_000_000))


@pytest.mark.parametrize(
    "hide",
    [
        lambda bomb: box(b"abcd", bytes(9)) + bomb,
        lambda bomb: box(b"free", bomb),
        lambda bomb: box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 16 + len(bomb)) + bomb,
        lambda bomb: box(b"ftyp", b"isom") + struct.pack(">I4s", 0, b"moov") + bomb,
        lambda bomb: box(b"ftyp", b"isom") + struct.pack(">I4s", 3, b"moov") + bomb,
    ],
    ids=["behind an unknown box", "in a free box", "in a long box", "in an endless box", "behind a wrong size"],
)
def test_a_claim_is_found_wherever_ffmpeg_might_look(hide: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ValueError, match="claim 80000000 samples"):
        check_sample_counts(hide(mp4(80_000_000)))


def test_a_compressed_header_is_refused() -> None:
    with pytest.raises(ValueError, match=r"its header is compressed \(cmov\)"):
        check_sample_counts(box(b"ftyp", b"isom") + box(b"moov", box(b"cmov", box(b"cmvd", bytes(20)))))


def test_media_data_is_not_taken_for_tables() -> None:
    check_sample_counts(box(b"ftyp", b"isom") + box(b"mdat", b"stsz" + b"\xff" * 100) + box(b"moov", bytes(8)))


@given(data=st.binary(max_size=200))
def test_any_bytes_pass_or_are_refused_with_a_reason(data: bytes) -> None:
    for file in (data, box(b"ftyp", b"isom") + data, b"\x1a\x45\xdf\xa3" + data + b"stsz" + b"\xff" * 50):
        try:
            check_sample_counts(file)
        except ValueError as error:
            assert "its tables claim" in str(error) or "cmov" in str(error)


@pytest.mark.skipif(not SAMPLES, reason="samples/videos is empty")
def test_real_files_pass(make_clip: Callable[..., bytes]) -> None:
    for path in SAMPLES:
        check_sample_counts(path.read_bytes())
    check_sample_counts(make_clip(40))
