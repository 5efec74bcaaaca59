"""What stands in a tar beside regular files: it is named, costs no more than its own sample, and the walk goes on."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.entries import Entry, Member, Stray
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan, scan_all, scan_far
from shards.dataset.tars.tar_header import TarError
from shards.dataset.tars.tar_samples import ShardSamples, read_samples, stream_samples
from tests.shards.dataset.tars.packed import pack
from tests.shards.http_store import HttpStore

JSON = b'{"caption": "x"}'


def everything(raw: bytes, folder: Path) -> list[Entry]:
    """All ways to walk over a tar find the same."""
    path = folder / "x.tar"
    path.write_bytes(raw)
    found = scan_all(path)
    assert scan_all(io.BytesIO(raw)) == found
    assert scan_far(lambda length, offset: raw[offset : offset + length], len(raw), "x.tar") == found
    assert scan(path) == [entry for entry in found if isinstance(entry, Member)]
    return found


def look(raw: bytes, folder: Path) -> ShardSamples:
    """The samples of a tar, which are the same when it is streamed."""
    found = read_samples(everything(raw, folder), str(folder / "x.tar"), Looks())
    streamed = stream_samples(lambda offset, length: raw[offset : offset + length], len(raw), "x.tar", Looks())
    assert streamed == found
    return found


def sample(key: str, size: int = 700) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", b"x" * size), (f"{key}.json", JSON)]


def keys(found: ShardSamples) -> list[str]:
    return [row.key for row in found.rows]


def header(raw: bytes, at: int, **fields: bytes) -> bytes:
    """A tar with fields of the header at a byte set anew, and its checksum made right."""
    places = {"name": 0, "size": 124, "kind": 156, "link": 157, "magic": 257}
    data = bytearray(raw)
    for field, value in fields.items():
        data[at + places[field] : at + places[field] + len(value)] = value
    data[at + 148 : at + 156] = b" " * 8
    data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


# ------------------------------------------------------------ end markers and zeros


@pytest.mark.parametrize("num", [2, 3])
@pytest.mark.parametrize("filled_up", [True, False])  # as bsdtar and Go write them: two blocks of zeros and no more
def test_joined_tars_are_read_behind_every_end_marker(tmp_path: Path, num: int, filled_up: bool) -> None:
    raws = [pack(sample(f"{i}a") + sample(f"{i}b")) for i in range(num)]
    raws = raws if filled_up else [raw.rstrip(b"\0") + bytes(-len(raw.rstrip(b"\0")) % 512 + 1024) for raw in raws]
    found = look(b"".join(raws), tmp_path)
    assert keys(found) == [f"{i}{x}" for i in range(num) for x in "ab"] and not found.quarantined


def test_joined_tars_of_which_the_last_is_damaged_are_an_error(tmp_path: Path) -> None:
    whole = pack(sample("a"))
    with pytest.raises(TarError, match="cut off"):
        everything(whole + pack(sample("b"))[:1500], tmp_path)


@pytest.mark.parametrize("garbage", [b"garbage", b"\1" * 5000, b"\x1f\x8b" + b"z" * 600, b"\0" * 512 + b"x" * 512])
def test_bytes_behind_the_end_that_are_no_tar_are_named(tmp_path: Path, garbage: bytes) -> None:
    whole = pack(sample("a"))
    found = look(whole + garbage, tmp_path)
    start = len(whole) + (512 if garbage.startswith(b"\0") else 0)
    assert keys(found) == ["a"]
    assert found.quarantined[-1]["key"] is found.quarantined[-1]["member"] is None
    assert f"bytes {start} to {len(whole) + len(garbage)} stand behind zeros" in found.quarantined[-1]["reason"]


def test_a_header_that_was_overwritten_with_zeros_hides_nothing(tmp_path: Path) -> None:
    raw = bytearray(pack(sample("a") + sample("b") + sample("c")))
    start = scan(io.BytesIO(bytes(raw)))[2].offset - 512
    raw[start : start + 512] = bytes(512)
    found = look(bytes(raw), tmp_path)
    assert keys(found) == ["a"] and f"bytes {start + 512} to {len(raw)}" in found.quarantined[-1]["reason"]


def test_zeros_where_a_member_was_are_named_and_the_walk_goes_on(tmp_path: Path) -> None:
    raw = bytearray(pack(sample("a") + sample("b") + sample("c")))
    member = scan(io.BytesIO(bytes(raw)))[2]
    raw[member.offset - 512 : member.offset + 1024] = bytes(1536)
    found = look(bytes(raw), tmp_path)
    assert keys(found) == ["a", "c"]
    reasons = [line["reason"] for line in found.quarantined]
    assert f"bytes {member.offset - 512} to {member.offset + 1024} are zeros" in reasons[0] and "has json" in reasons[1]


def test_a_lone_block_of_zeros_in_the_middle_is_named(tmp_path: Path) -> None:
    raw = pack(sample("a") + sample("b"))
    at = scan(io.BytesIO(raw))[2].offset - 512
    found = look(raw[:at] + bytes(512) + raw[at:], tmp_path)
    assert keys(found) == ["a", "b"] and f"bytes {at} to {at + 512} are zeros" in found.quarantined[0]["reason"]


@pytest.mark.parametrize("tail", [512, 1024, None, 20_000, 3_000_000])
def test_only_zeros_that_no_writer_puts_at_the_end_are_named(tmp_path: Path, tail: int | None) -> None:
    raw = pack(sample("a"))
    if tail is not None:
        raw = raw.rstrip(b"\0")
        raw += bytes(-len(raw) % 512)
        raw += bytes(tail)
    found = look(raw, tmp_path)
    assert keys(found) == ["a"] and len(found.quarantined) == (tail is not None and tail > 1024)


def test_a_download_that_was_stopped_in_a_file_of_full_size_is_told(tmp_path: Path) -> None:
    whole = pack([file for i in range(30) for file in sample(f"{i:02d}", 2000)])
    members = scan(io.BytesIO(whole))
    for member in members[20:24]:
        for cut in (member.offset - 512, member.offset + 100, member.offset + member.size):
            raw = whole[:cut] + bytes(len(whole) - cut)
            found = look(raw, tmp_path)
            assert keys(found) == [text.name[:2] for text in members[1::2] if text.offset + text.size <= cut]
            assert any("zeros" in line["reason"] for line in found.quarantined)


@pytest.mark.parametrize("cut", [1, 300, 700])
@pytest.mark.parametrize("ext", ["jpg", "txt"])
def test_a_last_member_whose_end_was_not_written_is_quarantined(tmp_path: Path, cut: int, ext: str) -> None:
    files = [*sample("a"), ("b.json", JSON), ("b.jpg", b"x" * 700), ("b.jpg" if ext == "jpg" else "b.txt", b"x" * 1400)]
    if ext == "jpg":
        del files[3]
    raw = bytearray(pack(files))
    last = scan(io.BytesIO(bytes(raw)))[-1]
    raw[last.offset + cut : last.offset + last.size] = bytes(last.size - cut)
    found = look(bytes(raw), tmp_path)
    assert keys(found) == ["a"] and f"'b.{ext}' ends in zeros" in found.quarantined[-1]["reason"]


def test_a_file_of_zeros_holds_nothing_and_says_so(tmp_path: Path) -> None:
    found = look(bytes(1_000_000), tmp_path)
    assert not found.rows and "bytes 0 to 1000000 are zeros" in found.quarantined[0]["reason"]
    for empty in (512, 1024, 10_240):
        found = look(bytes(empty), tmp_path)
        assert found.num_groups == 0


# ------------------------------------------------------------ members without bytes of their own


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (tarfile.LNKTYPE, "is a hard link to .* --hard-dereference"),
        (tarfile.SYMTYPE, "is a symbolic link to .* --dereference"),
        (tarfile.CHRTYPE, "is a character device"),
        (tarfile.BLKTYPE, "is a block device"),
        (tarfile.FIFOTYPE, "is a named pipe"),
        (b"M", "is of the kind b'M'"),
        (b"V", "is of the kind b'V'"),
    ],
)
def test_what_is_no_regular_file_costs_its_own_sample(tmp_path: Path, form: int, kind: bytes, reason: str) -> None:
    target = "t" * (50 if form == tarfile.USTAR_FORMAT else 150) + "/a.jpg"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, data in [*sample("a"), ("b.jpg", None), ("b.json", JSON), *sample("c"), ("d.jpg", None)]:
            info = tarfile.TarInfo(name)
            info.size = len(data or b"")
            if data is None:
                info.type, info.linkname = kind, target
            tar.addfile(info, io.BytesIO(data or b""))
    found = look(buffer.getvalue(), tmp_path)
    assert keys(found) == ["a", "c"]
    first, second = found.quarantined
    assert (first["key"], first["members"], second["member"]) == ("b", ["b.jpg", "b.json"], "d.jpg")
    for line in (first, second):
        with pytest.raises(ValueError, match=reason):
            raise ValueError(line["reason"])
    assert kind not in (tarfile.LNKTYPE, tarfile.SYMTYPE) or target in first["reason"]


def test_hard_links_with_a_size_are_told_from_those_with_bytes(tmp_path: Path) -> None:
    raw = pack([*sample("a", 512), ("b.jpg", b"y" * 512), ("b.json", JSON), *sample("c")])
    at = scan(io.BytesIO(raw))[2].offset
    with_bytes = header(raw, at - 512, kind=b"1", link=b"a.jpg")
    found = look(with_bytes, tmp_path)
    assert keys(found) == ["a", "c"] and "is a hard link that holds bytes" in found.quarantined[0]["reason"]
    without = with_bytes[:at] + with_bytes[at + 512 :]
    found = look(without, tmp_path)
    assert keys(found) == ["a", "c"] and "is a hard link to 'a.jpg'" in found.quarantined[0]["reason"]


def test_directories_are_passed_over_and_old_ones_with_bytes_are_named(tmp_path: Path) -> None:
    raw = pack([("d/", b""), *sample("d/a"), ("e/", b"bytes"), *sample("e/a")])
    found = look(raw, tmp_path)
    assert keys(found) == ["d/a", "e/a"]
    assert [line["member"] for line in found.quarantined] == ["e/"]


def test_tars_of_the_oldest_form_are_read(tmp_path: Path) -> None:
    raw = pack(sample("a") + sample("b"))
    for member in scan(io.BytesIO(raw)):
        raw = header(raw, member.offset - 512, magic=bytes(8), kind=b"\0")
    assert keys(look(raw, tmp_path)) == ["a", "b"]


# ------------------------------------------------------------ sparse files


def sparse_file(path: Path, segments: int) -> None:
    """Data and holes in turn; 5 segments need an extension of GNU's own header."""
    with path.open("wb") as file:
        for number in range(segments):
            file.seek(number * 1_000_000)
            file.write(b"d" * 5000)
        file.truncate(segments * 1_000_000)


@pytest.mark.parametrize("segments", [1, 5, 60])
@pytest.mark.parametrize(
    "options",
    [
        ("--format=gnu",),
        ("--format=pax", "--sparse-version=0.0"),
        ("--format=pax", "--sparse-version=0.1"),
        ("--format=pax", "--sparse-version=1.0"),
    ],
)
def test_a_sparse_member_costs_its_own_sample(tmp_path: Path, options: tuple[str, ...], segments: int) -> None:
    if shutil.which("tar") is None:
        pytest.skip("no tar program")
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in [*sample("a"), ("b.json", JSON), *sample("c")]:
        (folder / name).write_bytes(data)
    sparse_file(folder / "b.jpg", segments)
    made = subprocess.run(
        ["tar", "-S", *options, "-cf", "-", "-C", str(folder), "a.jpg", "a.json", "b.jpg", "b.json", "c.jpg", "c.json"],
        check=True,
        capture_output=True,
    ).stdout
    if len(made) > 1_000_000:
        pytest.skip("this file system keeps no holes")
    found = look(made, tmp_path)
    assert keys(found) == ["a", "c"]
    [line] = found.quarantined
    assert line["members"] == ["b.jpg", "b.json"] and "'b.jpg' is a sparse file" in line["reason"]


def test_strays_are_found_among_many_members(tmp_path: Path) -> None:
    files = [file for i in range(2000) for file in sample(f"{i:04d}", 10)]
    raw = pack(files)
    at = scan(io.BytesIO(raw))[2001].offset - 512
    found = everything(header(raw, at, kind=b"M"), tmp_path)
    assert [isinstance(entry, Stray) for entry in found] == [number == 2001 for number in range(4000)]


def test_the_name_of_a_compressor_at_the_beginning_of_a_name_is_just_a_name(tmp_path: Path) -> None:
    assert keys(look(pack(sample("BZh1")), tmp_path)) == ["BZh1"]


@pytest.mark.parametrize("looks", [Looks(), Looks(checksums=False)])
def test_an_index_over_http_is_that_of_the_folder(tmp_path: Path, looks: Looks) -> None:
    link = header(pack([*sample("a"), ("b.jpg", b""), ("b.json", JSON), *sample("c")]), 2560, kind=b"2", link=b"a.jpg")
    raws = {
        "0.tar": pack(sample("a")) + pack(sample("b")),
        "1.tar": pack(sample("a")) + b"garbage",
        "2.tar": link,
        "3.tar": pack(sample("a"))[:1536] + bytes(50_000),
        "4.tar": pack(sample("a"))[:1400],
    }
    (tmp_path / "in").mkdir()
    for name, raw in raws.items():
        (tmp_path / "in" / name).write_bytes(raw)
    near = index_tars(str(tmp_path / "in"), str(tmp_path / "near"), looks=looks)
    with HttpStore().running() as store:
        store.files |= {f"/far/{name}": raw for name, raw in raws.items()}
        far = index_tars(f"{store.url}/far/{{0..4}}.tar", str(tmp_path / "far"), looks=looks)
    assert near.damaged.keys() == far.damaged.keys() == {"4.tar"}
    assert (near.num_samples, near.num_quarantined) == (far.num_samples, far.num_quarantined)
    assert near.num_samples == 2 + 1 + 2 and near.num_quarantined == 1 + 1 + 2
    lines = [(tmp_path / place / "quarantine.jsonl").read_text() for place in ("near", "far")]
    assert lines[0] == lines[1] and "garbage" not in lines[0]
