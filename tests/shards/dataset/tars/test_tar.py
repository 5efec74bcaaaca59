"""The header walk agrees with the standard library, and refuses what is not whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.tars.entries import Member
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
names = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..")
)


def pack(files: list[tuple[str, bytes]], form: str = "ustar", **header: float) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[form]) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field, value in header.items():
                setattr(info, field, value)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def expected(data: bytes) -> list[Member]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [Member(info.name, info.offset_data, info.size) for info in tar if info.isreg()]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.lists(names, min_size=1, max_size=6), st.binary(max_size=1500)), max_size=6),
    st.sampled_from(["gnu", "pax"]),
)
def test_finds_what_tarfile_finds(files: list[tuple[list[str], bytes]], form: str) -> None:
    data = pack([("/".join(pieces), content) for pieces, content in files], form)
    assert scan(io.BytesIO(data)) == expected(data)


@pytest.mark.parametrize("form", FORMATS)
def test_offsets_point_at_the_bytes(tmp_path: Path, form: str) -> None:
    files = [(f"{'d' * 60}/{'n' * 70}{i}.json", bytes([i]) * (i * 511)) for i in range(5)]
    path = tmp_path / "a.tar"
    path.write_bytes(pack(files, form, mtime=1.25 if form == "pax" else 1))
    raw = path.read_bytes()
    assert [(name, raw[offset : offset + size]) for name, offset, size in scan(path)] == files
    assert scan(str(path)) == scan(path)


def test_lists_regular_files_only() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"x{kind!r}")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("real")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    assert [member.name for member in scan(io.BytesIO(buffer.getvalue()))] == ["real"]


def test_names_that_climb_out_come_back_as_data_and_touch_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(pack([("../../evil.json", b"x"), ("/etc/evil", b"y")]))
    assert [member.name for member in scan(path)] == ["../../evil.json", "/etc/evil"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar"]


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


def test_compressed_tars_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a"))
    with pytest.raises(TarError, match="is gzip compressed"):
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


def test_a_file_that_is_not_local_is_read_in_few_pieces() -> None:
    reads = 0

    class Spy(io.BytesIO):
        def read(self, *args: int) -> bytes:  # type: ignore[override]
            nonlocal reads
            reads += 1
            return super().read(*args)

    raw = pack([(f"{i}.jpg", b"x" * 20_000) for i in range(500)])
    assert len(scan(Spy(raw))) == 500
    assert reads <= len(raw) // (1 << 22) + 2
