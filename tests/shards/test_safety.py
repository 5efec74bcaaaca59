"""A hostile shard and index run no code, write nothing and take little memory; the loader counts them or says why."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shards.base.errors import DatasetError, MediaError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_header import TarError
from shards.decode.cpu import decode
from shards.loader.loader import Loader
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from shards.read.reader import Reader
from shards.read.sample import Origin
from tests.shards.mp4_bomb import mp4
from tests.shards.small_dataset import FACTS, config, encode, picture, seen

KEYS = ["../../escape", "/etc/passwd", "nul\0byte", "x" * 1024, "\x1b[2J\nred", "..", "", "C:\\windows", "a/../../b"]
MAX_GROWTH = 200 << 20


def hostile_dataset(folder: Path, keys: list[str], extra: dict[str, bytes], text: bytes | None = None) -> Path:
    """A sample per key, with a picture, a json and extra members; the index has checksums that fit."""
    folder.mkdir(parents=True)
    data, rows = b"", []
    for number, key in enumerate(keys):
        content = text or json.dumps({"records": [{"caption": f"c-{number}"}], "number": number}).encode()
        members = []
        for ext, body in {**extra, "png": picture(number), "json": content}.items():
            members.append(MemberRow(ext, len(data), len(body), member_checksum(body)))
            data += body
        rows.append(SampleRow(key, tuple(members), 1, FACTS))
    (folder / "000000.tar").write_bytes(data)
    entry = ShardEntry("000000.tar", len(rows), len(rows), len(data), "0" * 32)
    write_files(folder, [entry], rows)
    return folder


def write_files(folder: Path, entries: list[ShardEntry], rows: list[SampleRow]) -> None:
    write_index(str(folder / "index.parquet"), [rows_table(0, rows)])
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("h", entries, 0, {}))


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@contextmanager
def little_memory() -> Iterator[None]:
    """The peak of resident memory may not grow by more than 200 MB inside."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    yield
    assert _peak() - before < MAX_GROWTH, f"took {(_peak() - before) >> 20} MB"


def _peak() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


# ---- names


def test_member_names_are_data_and_lead_nowhere(tmp_path: Path) -> None:
    folder = hostile_dataset(tmp_path / "h", KEYS, {})
    before = files(tmp_path)
    with Loader(config(("h", folder), mode="eval"), 0, 1, encode, tmp_path / "ledger.jsonl") as loader:
        batches = list(loader)
    assert [origin.key for batch in batches for origin in batch.origins[: len(seen(batch))]] == KEYS
    assert files(tmp_path) == before


def test_a_hostile_name_stays_on_one_line_of_ledger_and_message(tmp_path: Path) -> None:
    folder = hostile_dataset(tmp_path / "h", KEYS, {}, b"no json")
    ledger = tmp_path / "ledger.jsonl"
    with Loader(config(("h", folder)), 0, 1, encode, ledger) as loader, pytest.raises(RuntimeError) as raised:
        next(loader)
    assert all(line.isprintable() and len(line) < 1000 for line in str(raised.value).splitlines())
    assert {json.loads(line)["key"] for line in ledger.read_text().splitlines()} <= set(KEYS)


def test_an_origin_is_shown_without_control_characters() -> None:
    assert str(Origin("d", "s.tar", "größe/1")) == "d/s.tar:größe/1"
    assert str(Origin("d", "s.tar", "\x1b[2J\n")) == r"d/s.tar:\x1b[2J\n"
    assert str(Origin("d", "s.tar", "x" * 1024)) == "d/s.tar:" + "x" * 256 + "..."


@pytest.mark.parametrize("name", ["../000000.tar", "/etc/passwd", "a/b.tar", "..", "nul\0.tar", ""])
def test_a_shard_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = hostile_dataset(tmp_path / "h", ["k"], {})
    entry = ShardEntry(name, 1, 1, (folder / "000000.tar").stat().st_size, "0" * 32)
    write_shards(str(folder / "shards.parquet"), [entry])
    (folder / "dataset.json").write_bytes(dataset_json("h", [entry], 0, {}))
    with pytest.raises(DatasetError, match="is not a plain file name; the file was not written by this code"):
        Reader("h", str(folder))


# ---- code


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.open, (str(self.file), os.O_CREAT)


def test_pickles_in_members_are_never_loaded(tmp_path: Path) -> None:
    import pickle

    fuse = pickle.dumps(Bomb(tmp_path / "boom"))
    names = ("pkl", "pickle", "pyd", "pth", "pt", "npy", "npz", "py", "so", "cls")
    folder = hostile_dataset(tmp_path / "h", ["a", "b", "c"], dict.fromkeys(names, fuse))
    with Loader(config(("h", folder), mode="eval"), 0, 1, encode) as loader:
        assert sum(len(seen(batch)) for batch in loader) == 3
    folder = hostile_dataset(tmp_path / "json", ["a", "b"], {}, fuse)
    with Loader(config(("h", folder)), 0, 1, encode) as loader, pytest.raises(RuntimeError, match="json cannot"):
        next(loader)
    for ext in ("png", "mp4", "gif", "webp"):
        with pytest.raises(MediaError, match="not a"):
            probe(fuse, f"x.{ext}")
    assert not (tmp_path / "boom").exists()
    os.close(pickle.loads(fuse))
    assert (tmp_path / "boom").exists()  # the fuse does work


# ---- memory


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _gif(width: int, height: int) -> bytes:
    data = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    for _ in range(3):
        data += b"\x21\xf9\4\0\x0a\0\0\0\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x44\1\0"
    return data + b";"


def _webm(width: int, height: int, clip: bytes) -> bytes:
    data, at = bytearray(clip), 0
    while (at := data.find(b"\x9d\x01\x2a", at)) >= 0:  # the start code of a VP8 key frame
        data[at + 3 : at + 7] = struct.pack("<HH", width, height)
        at += 3
    return bytes(data)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda _: _png(100_000, 100_000), "x.png"),
        (lambda _: _png(16_384, 16_384), "x.png"),
        (lambda _: _jpeg(65_500, 65_500), "x.jpg"),
        (lambda _: _jpeg(12_000, 12_000), "x.jpg"),
        (lambda _: _gif(65_535, 65_535), "x.gif"),
        (lambda _: _gif(9_000, 8_800), "x.gif"),
        (lambda clip: _webm(16_000, 16_000, clip), "x.webm"),
        (lambda _: mp4(80_000_000), "x.mp4"),
        (lambda _: mp4(4_000_000_000), "x.mp4"),
        (lambda _: mp4(80_000_000, fragmented=True), "x.mp4"),
        (lambda _: mp4(3, side=65_000), "x.mp4"),
        (lambda _: mp4(3, side=12_000), "x.mp4"),
    ],
)
def test_a_medium_that_claims_to_be_huge_is_refused_and_costs_nothing(
    make_clip: Callable[..., bytes], make: Callable[[bytes], bytes], name: str
) -> None:
    data = make(make_clip(3, codec="libvpx"))
    kind = "image" if name in ("x.png", "x.jpg") else "video"
    with little_memory():
        with pytest.raises(MediaError, match=r"\w"):
            probe(data, name)
        with pytest.raises(MediaError, match=r"\w"):
            decode(data, kind, ClipPlan((0,), (64, 64), (0, 0, 64, 64)))


@pytest.mark.parametrize(
    "text",
    [
        b'{"records": ' + b"[" * 5_000_000,
        b'{"records": [{"n": 1' + b"0" * 5_000_000 + b"}]}",
        b'{"records": "' + b"x" * 5_000_000 + b'"}',
        b'{"records": [' + b"[]," * 500_000 + b"[]]}",
    ],
    ids=["deep", "number", "string", "list"],
)
def test_json_bombs_are_sample_errors(tmp_path: Path, text: bytes) -> None:
    folder = hostile_dataset(tmp_path / "h", ["a"], {}, text)
    reason = r"h/000000\.tar:a: json (cannot be read|should be an object)"
    with (
        little_memory(),
        Loader(config(("h", folder)), 0, 1, encode) as loader,
        pytest.raises(RuntimeError, match=reason),
    ):
        next(loader)


@pytest.mark.parametrize("file", ["shards.parquet", "index.parquet"])
def test_a_parquet_file_that_stands_for_billions_of_rows_is_refused(tmp_path: Path, file: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = hostile_dataset(tmp_path / "h", ["k"], {})
    schema = pq.read_schema(folder / file)
    rows = (1 << 22) + 1
    column = {field.name: pa.nulls(rows, field.type) for field in schema}
    pq.write_table(pa.table(column, schema=schema), folder / file, row_group_size=rows)
    assert (folder / file).stat().st_size < 200_000
    del column
    with little_memory(), pytest.raises(DatasetError, match=rf"{file}: claims {rows} rows, the limit is {rows - 1}"):
        Reader("h", str(folder))


@pytest.mark.parametrize("name", ["key", "codec", "kind", "member_ext"])
def test_a_long_text_that_stands_in_every_row_of_an_index_is_refused(tmp_path: Path, name: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from shards.cli.verbs.open_dataset import open_dataset
    from shards.cli.verbs.tables import group_tables

    folder = hostile_dataset(tmp_path / "h", ["k"], {})
    table = pq.read_table(folder / "index.parquet")
    long = "x" * (1 << 24 if name != "key" else 1025)
    number = table.schema.get_field_index(name)
    column = pa.array([[long, "json"] if name == "member_ext" else long], table.schema.field(number).type)
    pq.write_table(table.set_column(number, table.schema.field(number), column), folder / "index.parquet")
    assert (folder / "index.parquet").stat().st_size < 900_000
    reason = rf"row group 0.*{name} holds a text of {len(long)} bytes, the limit is 1024"
    with little_memory(), pytest.raises(DatasetError, match=reason):
        Reader("h", str(folder)).index.rows(0)
    with little_memory(), pytest.raises(DatasetError, match=reason):
        next(group_tables(open_dataset(str(folder)), [name]))


def test_an_index_with_numbers_for_texts_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = hostile_dataset(tmp_path / "h", ["k"], {})
    table = pq.read_table(folder / "index.parquet")
    number = table.schema.get_field_index("key")
    pq.write_table(table.set_column(number, "key", pa.array([7])), folder / "index.parquet")
    with pytest.raises(DatasetError, match="column key should hold string, holds int64"):
        Reader("h", str(folder)).index.rows(0)


@pytest.mark.parametrize(
    "row",
    [
        {"members": (MemberRow("png", 0, 1 << 40, 0), MemberRow("json", 0, 5, 0))},
        {"members": (MemberRow("png", 0, -5, 0), MemberRow("json", 0, 5, 0))},
        {"members": (MemberRow("png", -(1 << 62), 5, 0), MemberRow("json", 0, 5, 0))},
        {"members": (MemberRow("png", (1 << 63) - 1, 5, 0), MemberRow("json", 0, 5, 0))},
        {"members": (MemberRow("png", 0, 5, 0), MemberRow("json", 0, 1 << 30, 0))},
    ],
)
def test_sizes_that_cannot_be_are_sample_errors(tmp_path: Path, row: dict[str, object]) -> None:
    folder = hostile_dataset(tmp_path / "h", ["k"], {})
    entry = ShardEntry("000000.tar", 1, 1, (folder / "000000.tar").stat().st_size, "0" * 32)
    write_files(folder, [entry], [SampleRow("k", (), 1, FACTS)._replace(**row)])  # type: ignore[arg-type]
    reason = r"h/000000\.tar:k: \.(png|json) (has .* bytes|should be bytes)"
    with (
        little_memory(),
        Loader(config(("h", folder)), 0, 1, encode) as loader,
        pytest.raises(RuntimeError, match=reason),
    ):
        next(loader)


@pytest.mark.parametrize("size", [b"\x80" + b"\xff" * 11, b"\xff" * 12, b"77777777777\0", b"-0000000001\0"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_sizes_of_headers_that_cannot_be_are_tar_errors(tmp_path: Path, size: bytes, kind: bytes) -> None:
    info = tarfile.TarInfo("k.png")
    info.type = kind
    header = bytearray(info.tobuf())
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "h.tar").write_bytes(bytes(header) + bytes(10240 - 512))
    with little_memory(), pytest.raises(TarError, match=r"h\.tar: "):
        scan(tmp_path / "h.tar")


def test_an_index_that_lies_about_frames_and_size_takes_no_memory(make_clip: Callable[..., bytes]) -> None:
    clip = make_clip(10)
    with little_memory(), pytest.raises(MediaError, match="frame 1000000000 was planned but the stream ends after 10"):
        decode(clip, "video", ClipPlan((0, 10**9), (64, 64), (0, 0, 64, 64)))
    assert np.asarray(decode(clip, "video", ClipPlan((0,), (64, 64), (0, 0, 64, 64)))).shape == (1, 64, 64, 3)
