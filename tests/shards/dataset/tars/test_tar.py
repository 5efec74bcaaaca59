"""The header walk agrees with the standard library, and refuses what is not whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.tars import tar_walk
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


# ------------------------------------------------------------ many headers at a time, and one by one


def outcome(raw: bytes, few: int) -> list[Member] | str:
    """What a scan says; `few` = 1 checks everything it can in batches, a huge one everything step by step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tar_walk, "_FEW", few)
        patch.setattr(tar_walk, "_BATCH", 7)
        try:
            return scan(io.BytesIO(raw))
        except TarError as error:
            return str(error)


def both_ways(raw: bytes) -> list[Member] | str:
    fast = outcome(raw, 1)
    assert fast == outcome(raw, 1 << 30)
    return fast


def webdataset_tar(files: list[tuple[str, bytes]], mtime: float | None) -> bytes:
    from webdataset import TarWriter

    buffer = io.BytesIO()
    writer = TarWriter(buffer, encoder=False, mtime=mtime)
    for name, data in files:
        key, _, ext = name.partition(".")
        writer.write({"__key__": key, ext: data})
    writer.close()
    return buffer.getvalue()


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.lists(names, min_size=1, max_size=4), st.binary(max_size=1100)), max_size=25),
    st.sampled_from(["gnu", "pax"]),
    st.sampled_from([0, 1.5]),
    st.data(),
)
def test_batches_and_steps_agree_on_tars_and_on_damaged_ones(
    files: list[tuple[list[str], bytes]], form: str, mtime: float, data: st.DataObject
) -> None:
    whole = pack([("/".join(pieces), content) for pieces, content in files], form, mtime=mtime)
    assert both_ways(whole) == expected(whole)
    raw = bytearray(whole)
    # Half of the damage hits headers, and some of it is hidden by a new checksum.
    headers = [member.offset - 512 for member in expected(whole)] or [0]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.sampled_from(headers)) + data.draw(st.integers(0, 511))
        raw[at] = data.draw(st.sampled_from([0, 32, 45, 47, 48, 55, 57, 95, 128, 255]))
    if data.draw(st.booleans()):
        for start in headers:
            block = raw[start : start + 512]
            block[148:156] = b" " * 8
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    both_ways(bytes(raw))
    both_ways(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@pytest.mark.parametrize("mtime", [0, None])  # None is its default: the time, as a pax header of each member
def test_batches_and_steps_agree_on_what_webdataset_writes(mtime: float | None) -> None:
    files = [(f"{i:06d}.{ext}", bytes(i)) for i in range(40) for ext in ("jpg", "json", "left.txt")]
    raw = webdataset_tar(files, mtime)
    found = both_ways(raw)
    assert found == expected(raw) and len(found) == 120


@pytest.mark.parametrize("at", [0, 5, 6, 7, 39])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, b"dir/\0"),  # an old directory
        (0, b"a\0b"),  # bytes behind the end of the name
        (124, b"-0000000001\0"),
        (124, b"0_000000001\0"),
        (124, b"0o000000001\0"),
        (124, b" 1         \0"),
        (124, b"77777777777\0"),
        (124, b"\x80" + b"\0" * 10 + b"\1"),
        (156, b"5"),
        (156, b"\0"),
        (156, b"7"),
        (156, b"S"),
        (156, b"x"),
        (156, b"g"),
        (156, b"L"),
        (345, b"deep/er"),  # a path prefix
    ],
)
def test_batches_and_steps_agree_on_odd_headers_among_plain_ones(at: int, field: int, value: bytes) -> None:
    raw = bytearray(pack([(f"{i:06d}.json", b"y") for i in range(40)]))
    start = at * 1024
    raw[start + field : start + field + len(value)] = value
    raw[start + 148 : start + 156] = b" " * 8
    raw[start + 148 : start + 156] = b"%06o\0 " % sum(raw[start : start + 512])
    both_ways(bytes(raw))


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
