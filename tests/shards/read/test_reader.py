"""Reading by number: right sample, right record, every damage found and told apart from a broken dataset."""

from __future__ import annotations

import gc
import json
import os
import re
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from shards.base.errors import ConfigError, DatasetError, SourceError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.rows import MemberRow, SampleRow, member_checksum
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.dataset.indexing.indexer import index_tars
from shards.dataset.members.rules import MemberSettings
from shards.loader.config import DatasetConfig
from shards.loader.feed import open_reader
from shards.media.facts import MediaFacts
from shards.read.reader import Fetched, Reader
from shards.read.sample import Origin, Sample, SampleError
from shards.storage.local import LocalSource
from shards.storage.source import Range
from tests.shards.foreign_tars import write_tar


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_record_is_one_element(folder: Path, draw: np.random.Generator, facts: MediaFacts) -> None:
    toy = Reader("toy", str(folder), elements="record")
    assert toy.counts.tolist() == [13, 14, 15, 7]
    seen = []
    for shard, count in enumerate(toy.counts):
        for row in range(count):
            sample = toy.read(shard, row, draw)
            assert sample.origin == toy.origin(shard, row)
            assert sample.origin == Origin("toy", f"{shard:06d}.tar", sample.origin.key)
            i = int(sample.origin.key[1:])
            assert sample.media == np.random.default_rng(i).bytes(100 + 37 * i)
            assert sample.facts == facts and sample.meta == {"source": i}
            assert sample.record == {"caption": f"caption {sample.record_index} of {i}"}
            seen.append((i, sample.record_index))
    assert seen == [(i, record) for i in range(25) for record in range(1 + i % 3)]


def test_every_sample_is_one_element_with_a_drawn_record(folder: Path) -> None:
    toy = Reader("toy", str(folder), elements="sample")
    assert toy.counts.tolist() == [7, 7, 7, 4]
    records = [toy.read(0, 2, np.random.default_rng(i)).record_index for i in range(60)]
    assert set(records) == {0, 1, 2}
    assert records[5] == toy.read(0, 2, np.random.default_rng(5)).record_index


def test_threads_share_a_reader(folder: Path, draw: np.random.Generator) -> None:
    toy = Reader("toy", str(folder))
    addresses = [(shard, row) for shard, count in enumerate(toy.counts) for row in range(count)] * 20
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda address: toy.read(*address, draw).origin, addresses))
    assert keys == [toy.origin(*address) for address in addresses]


@pytest.mark.parametrize(("shard", "row"), [(4, 0), (-1, 0), (0, 13), (0, -1)])
def test_an_address_that_does_not_exist_is_a_mistake_of_the_caller(
    folder: Path, draw: np.random.Generator, shard: int, row: int
) -> None:
    with pytest.raises(IndexError, match=f"toy: no element {row} in shard {shard}"):
        Reader("toy", str(folder)).read(shard, row, draw)


def test_unknown_elements_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="elements is 'rows', allowed are 'record' and 'sample'"):
        Reader("toy", str(folder), elements="rows")  # type: ignore[arg-type]


# ------------------------------------------------------------ damage in one sample


def member(folder: Path, key: str, ext: str) -> tuple[int, int]:
    from shards.dataset.tars.tar import scan

    return next((m.offset, m.size) for m in scan(folder / "000000.tar") if m.name == f"{key}.{ext}")


@pytest.mark.parametrize("ext", ["mp4", "json"])
def test_one_flipped_bit_spoils_one_sample_and_says_where(folder: Path, draw: np.random.Generator, ext: str) -> None:
    offset, size = member(folder, "s0002", ext)
    with open(folder / "000000.tar", "r+b") as file:
        file.seek(offset + size // 2)
        byte = file.read(1)[0]
        file.seek(offset + size // 2)
        file.write(bytes([byte ^ 4]))
    toy = Reader("toy", str(folder), "sample")
    with pytest.raises(
        SampleError, match=rf"^toy/000000\.tar:s0002: \.{ext} is damaged: checksum \w+, the index expects"
    ) as info:
        toy.read(0, 2, draw)
    assert info.value.origin == Origin("toy", "000000.tar", "s0002")
    for row in (0, 1, 3, 4, 5, 6):
        toy.read(0, row, draw)


def flip(folder: Path, key: str, ext: str) -> None:
    """Change a byte as a failing disk does: the file keeps its time."""
    offset, size = member(folder, key, ext)
    before = (folder / "000000.tar").stat()
    with open(folder / "000000.tar", "r+b") as file:
        file.seek(offset + size // 2)
        byte = file.read(1)[0]
        file.seek(offset + size // 2)
        file.write(bytes([byte ^ 4]))
    os.utime(folder / "000000.tar", ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_checksum_is_compared_once_in_a_process_at_every_read_or_never(
    folder: Path, draw: np.random.Generator
) -> None:
    once, always, never = (Reader("toy", str(folder), verify=verify) for verify in ("once", "always", "never"))  # type: ignore[arg-type]
    for toy in (once, always):
        toy.read(0, 1, draw)
    flip(folder, "s0001", "mp4")
    flip(folder, "s0002", "mp4")
    assert once.read(0, 1, draw).media == never.read(0, 1, draw).media != np.random.default_rng(1).bytes(137)
    for toy, row in ((once, 3), (always, 1), (always, 3)):
        for _ in range(2):  # what failed stays unverified
            with pytest.raises(SampleError, match="is damaged: checksum"):
                toy.read(0, row, draw)


def test_what_was_verified_costs_one_bit_a_sample(tmp_path: Path) -> None:
    count = 40_000
    toy = dataset_of(tmp_path / "many", GOOD, count)
    numbers = np.arange(count)
    tracemalloc.start()
    try:
        toy.fetch([0], [0])
        before, _ = tracemalloc.get_traced_memory()
        for part in np.array_split(numbers, 40):
            assert all(isinstance(one, Fetched) for one in toy.fetch(np.zeros_like(part), part))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < count // 4
    shard = tmp_path / "many" / "000000.tar"
    time = shard.stat().st_mtime_ns
    with shard.open("r+b") as file:
        file.write(b"MEDIA")
    os.utime(shard, ns=(time, time))
    assert all(isinstance(one, Fetched) for one in toy.fetch(np.zeros_like(numbers), numbers))  # each of them is known


def dataset_of(folder: Path, text: bytes, count: int = 1, gap: int = 0, **row: object) -> Reader:
    """A dataset of one sample whose json member is text; shard and index agree, whatever the text is.

    count: list the sample so often. gap: bytes that lie between its members.
    """
    folder.mkdir(parents=True)
    media = b"media"
    shard = media + bytes(gap) + text
    (folder / "000000.tar").write_bytes(shard)
    members = (
        MemberRow("mp4", 0, len(media), member_checksum(media)),
        MemberRow("json", len(media) + gap, len(text), member_checksum(text)),
    )
    facts = MediaFacts("video", "h264", 8, 8, 8)
    rows = [SampleRow("k" if count == 1 else f"{i}", members, 1, facts)._replace(**row) for i in range(count)]  # type: ignore[arg-type]
    entry = ShardEntry("000000.tar", count, sum(row.num_records for row in rows), len(shard), "0" * 32)
    write_index(str(folder / "index.parquet"), [rows_table(0, rows)])
    write_shards(str(folder / "shards.parquet"), [entry])
    (folder / "dataset.json").write_bytes(dataset_json("odd", [entry], 0, {}))
    return Reader("odd", str(folder), "sample")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "json cannot be read"),
        (b"{", "json cannot be read"),
        (b"\xff\xfe\xfd", "json cannot be read"),
        (b'{"records": [{"caption": NaN}]}', "NaN is no json"),
        (b'{"records": [' + b"[" * 200_000, "json cannot be read"),
        (b'{"records": [{"n": ' + b"9" * 5000 + b"}]}", "json cannot be read"),
        (b"[]", "should be an object with a list of objects under 'records'"),
        (b"{}", "has no text: neither a field in json nor a caption in txt"),
        (b'{"records": {}}', "should be an object"),
        (b'{"records": ["a"]}', "should be an object"),
        (b'{"records": []}', "json has 0 records, the index says 1"),
        (b'{"records": [{}, {}]}', "json has 2 records, the index says 1"),
    ],
)
def test_bad_text_is_a_sample_error(tmp_path: Path, draw: np.random.Generator, text: bytes, reason: str) -> None:
    with pytest.raises(SampleError, match=rf"^odd/000000\.tar:k: .*{reason}"):
        dataset_of(tmp_path / "odd", text).read(0, 0, draw)


GOOD = json.dumps({"records": [{"caption": "c"}]}).encode()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"num_records": 0}, "has no text record"),
        ({"members": ()}, "needs a medium and a json or txt, has nothing"),
        ({"members": (MemberRow("json", 5, 5, 0),)}, "needs a medium and a json or txt, has json"),
        ({"members": (MemberRow("mp4", 0, 1 << 40, 0), MemberRow("json", 5, 9, 0))}, r"\.mp4 has 1099511627776 bytes"),
        ({"members": (MemberRow("mp4", 0, 5, 0), MemberRow("json", 5, 1 << 25, 0))}, r"\.json has 33554432 bytes"),
        (
            {"members": (MemberRow("mp4", -9, 5, 0), MemberRow("json", 5, 9, 0))},
            r"\.mp4 should be bytes -9 to -4 of 36",
        ),
        (
            {"members": (MemberRow("mp4", 0, 500, 0), MemberRow("json", 5, 9, 0))},
            r"\.mp4 should be bytes 0 to 500 of 36",
        ),
        (
            {"members": (MemberRow("mp4", 1 << 40, 5, 0), MemberRow("json", 5, 9, 0))},
            r"\.mp4 should be bytes 1099511627776 to \d+ of 36",
        ),
    ],
)
def test_bad_rows_of_a_foreign_index_are_sample_errors(
    tmp_path: Path, draw: np.random.Generator, row: dict[str, object], reason: str
) -> None:
    odd = dataset_of(tmp_path / "odd", GOOD, **row)
    with pytest.raises(SampleError, match=reason) as alone:
        odd.read(0, 0, draw)
    if odd.counts[0] and reason != "has no text record":
        (together,) = odd.fetch([0], [0])
        assert str(together) == str(alone.value)


@pytest.mark.parametrize("gap", [0, 1 << 16, 1 << 17])
@pytest.mark.parametrize("is_turned", [False, True])
def test_members_may_lie_in_any_order_and_far_apart(
    tmp_path: Path, draw: np.random.Generator, gap: int, is_turned: bool
) -> None:
    class Counting(LocalSource):
        num_bytes = 0

        def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
            data = super().read(name, offset, length)
            self.num_bytes += len(data)
            return data

        def read_many(self, ranges: Sequence[Range]) -> list[bytes]:
            pieces = super().read_many(ranges)
            self.num_bytes += sum(map(len, pieces))
            return pieces

    toy = dataset_of(tmp_path / "odd", GOOD, gap=gap)
    if is_turned:
        members = toy.index.rows(0).members(0)
        toy = dataset_of(tmp_path / "turned", GOOD, gap=gap, members=members[::-1])
    toy.source = source = Counting(str(tmp_path / ("turned" if is_turned else "odd")))
    assert toy.read(0, 0, draw).media == b"media" and toy.read(0, 0, draw).record == {"caption": "c"}
    (fetched,) = toy.fetch([0], [0])
    assert isinstance(fetched, Fetched) and (fetched.media, fetched.json) == (b"media", GOOD)
    assert source.num_bytes == 3 * (len(b"media") + len(GOOD) + (gap if gap <= 1 << 16 else 0))


# ------------------------------------------------------------ a dataset that does not fit its index


@pytest.mark.parametrize("elements", ["record", "sample"])
@pytest.mark.parametrize("verify", ["once", "always", "never"])
def test_many_at_once_are_what_single_reads_give(
    folder: Path, elements: Literal["record", "sample"], verify: Literal["once", "always", "never"]
) -> None:
    flip(folder, "s0003", "mp4")
    flip(folder, "s0005", "json")
    alone, together = (Reader("toy", str(folder), elements, verify) for _ in range(2))
    addresses = [(shard, row) for shard, count in enumerate(alone.counts) for row in range(count)]
    g = np.random.default_rng(0)
    for _ in range(3):
        drawn = np.array([addresses[i] for i in g.integers(len(addresses), size=40)])
        for (shard, row), fetched in zip(drawn, together.fetch(*drawn.T), strict=True):
            if isinstance(fetched, SampleError):
                with pytest.raises(SampleError, match=re.escape(str(fetched))):
                    alone.read(shard, row, g)
                continue
            if verify == "never" and alone.origin(shard, row).key == "s0005":
                continue  # damaged json may not even parse
            sample = alone.read(shard, row, g)
            assert (bytes(fetched.media), fetched.txt) == (sample.media, None)
            assert fetched.record == (sample.record_index if elements == "record" else None)
            assert fetched.json is not None
            assert json.loads(bytes(fetched.json))["records"][sample.record_index] == sample.record
    assert together.fetch([], []) == []


@pytest.mark.parametrize(("shard", "row"), [(4, 0), (-1, 0), (0, 13), (0, -1)])
def test_many_at_once_with_an_address_that_does_not_exist(folder: Path, shard: int, row: int) -> None:
    with pytest.raises(IndexError, match=f"toy: no element {row} in shard {shard}"):
        Reader("toy", str(folder)).fetch([0, shard], [0, row])


def test_a_missing_shard_stops_the_run(folder: Path, draw: np.random.Generator) -> None:
    (folder / "000001.tar").unlink()
    toy = Reader("toy", str(folder))
    toy.read(0, 0, draw)
    with pytest.raises(
        DatasetError, match=r"toy/000001\.tar: the index lists this shard, but it is not there; copy it again"
    ):
        toy.read(1, 0, draw)


def test_a_shard_of_another_size_stops_the_run(folder: Path, draw: np.random.Generator) -> None:
    with open(folder / "000001.tar", "ab") as file:
        file.write(b"x")
    with pytest.raises(
        DatasetError, match=r"000001\.tar: has 20481 bytes, the index expects 20480; .* copy shards and index"
    ):
        Reader("toy", str(folder)).read(1, 0, draw)


def test_a_source_that_fails_is_no_sample_error(
    folder: Path, draw: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Reader("toy", str(folder))
    toy.origin(0, 0)

    def fail(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.pread", fail)
    with pytest.raises(SourceError, match=r"000000\.tar: cannot be read \(OSError: Input/output error\)") as info:
        toy.read(0, 0, draw)
    assert not isinstance(info.value, ValueError)


def test_a_store_that_gives_less_than_it_has_is_no_sample_error(
    folder: Path, draw: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = Reader("toy", str(folder))
    toy.origin(0, 0)
    monkeypatch.setattr("os.pread", lambda fd, length, offset: b"")
    with pytest.raises(SourceError, match=r"000000\.tar: gave only 0 of \d+ bytes of \.mp4 at 1536"):
        toy.read(0, 0, draw)


def test_importing_the_package_loads_nothing_heavy() -> None:
    import subprocess
    import sys

    heavy = ["torch", "webdataset", "av", "PIL", "boto3", "s3fs", "fsspec", "pyarrow"]
    modules = [
        "storage.source",
        "dataset.tars.tar",
        "dataset.index.index",
        "dataset.writing.writer",
        "read.reader",
        "media.kinds",
        "media.clip",
        "decode.backends",
    ]
    imports = ", ".join(f"shards.{module}" for module in modules)
    code = f"import sys, {imports}; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_a_config_may_read_other_texts_and_nothing_else(tmp_path: Path) -> None:
    fields = {"caption": "short", "alt": "long", "captions": ["a", "b"]}
    files = [("0.jpg", b"x"), ("0.mp4", b"y"), ("0.json", json.dumps(fields).encode()), ("0.caption.txt", b"third")]
    write_tar(tmp_path / "d" / "0.tar", files)
    url = str(tmp_path / "d")
    index_tars(url)

    def read(elements: Literal["record", "sample"] = "record", **settings: object) -> Sample:
        reader = Reader("d", url, elements, settings=MemberSettings(**settings))
        return reader.read(0, 0, np.random.default_rng(0))

    assert read().record["caption"] == "short" and read().media == b"y"
    assert read(text_field="alt").record["caption"] == "long"
    assert read(text_members="caption.txt").record == {"caption": "third"}
    assert read("sample", text_field="captions").record["caption"] in ("a", "b")
    with pytest.raises(SampleError, match=r"has 2 records, the index says 1; index .* --text-field captions"):
        read(text_field="captions")
    with pytest.raises(ConfigError, match=r"media: .*python -m shards index \S+ --media-members image"):
        read(media="image")
    with pytest.raises(ConfigError, match="key_until"):
        read(key_until="last_dot")
    config = DatasetConfig(name="d", path=url, text_field=("alt",), media=("video", "frames", "image"))
    sample = open_reader(config).fetch([0], [0])[0]
    assert not isinstance(sample, SampleError)
    with pytest.raises(ConfigError, match=r"text_field is about members of shards; a \.beton file has none"):
        DatasetConfig(name="d", path="x.beton", source="ffcv", text_field=("alt",))
