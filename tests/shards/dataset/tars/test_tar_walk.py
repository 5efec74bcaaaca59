"""A tar that is not whole is an error that names file and byte."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError
from tests.shards.dataset.tars.packed import pack


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 700, 1024, 1300, 1536, 2000])
def test_a_tar_that_was_cut_off_is_an_error_wherever_the_cut(cut: int) -> None:
    whole = pack([("a.mp4", b"x" * 600), ("a.json", b"y" * 10)])
    end = 512 + 1024 + 512 + 512
    assert cut < end
    with pytest.raises(TarError, match="cut off"):
        scan(io.BytesIO(whole[:cut]))


def test_cut_exactly_before_the_end_marker_is_an_error() -> None:
    whole = pack([("a.mp4", b"x" * 512)])
    with pytest.raises(TarError, match="without an end-of-archive block: it was cut off"):
        scan(io.BytesIO(whole[:1024]))


def test_a_flipped_header_names_file_and_byte(tmp_path: Path) -> None:
    data = bytearray(pack([("a.mp4", b"x" * 512), ("b.mp4", b"y")]))
    data[1024 + 3] ^= 1
    path = tmp_path / "bad.tar"
    path.write_bytes(data)
    with pytest.raises(TarError, match=r"bad\.tar: byte 1024: not a tar header"):
        scan(path)


@settings(max_examples=200)
@given(st.data())
def test_damage_gives_tar_error_or_members_inside_the_file(data: st.DataObject) -> None:
    raw = bytearray(
        pack([("a" * 120 + ".mp4", b"x" * 700), ("b.json", b"y" * 20)], data.draw(st.sampled_from(["gnu", "pax"])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
    # Make the header checksums right again, so that the damage gets past them.
    for start in range(0, len(raw), 512):
        block = raw[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    try:
        members = scan(io.BytesIO(bytes(raw)))
    except TarError:
        return
    assert all(offset >= 0 and offset + size <= len(raw) for _, offset, size in members)


def test_sizes_beyond_eight_gibibytes_are_read_and_checked_against_the_file() -> None:
    header = tarfile.TarInfo("big")
    header.size = 9 << 30
    with pytest.raises(TarError, match="needs bytes 512 to 9663676928"):
        scan(io.BytesIO(header.tobuf(tarfile.GNU_FORMAT) + b"\0" * 2048))
