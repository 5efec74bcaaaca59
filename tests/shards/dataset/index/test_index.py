"""The index keeps what it was given, reads lazily, stays small, and refuses files that do not fit each other."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.base.errors import DatasetError
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.schema import index_schema
from shards.dataset.index.shard_rows import ShardRows
from shards.dataset.index.shard_table import ShardEntry, fingerprint
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import ROW_GROUP_ROWS, rows_table, write_index
from shards.media.facts import KeyFrames, MediaFacts
from shards.storage.local import LocalSource
from shards.storage.open import open_source

numbers = st.integers(0, 2**31 - 1)
times = st.floats(0, 1e6, width=32)
facts_ = st.builds(
    MediaFacts,
    kind=st.sampled_from(["video", "image"]),
    codec=st.text(max_size=8),
    width=numbers,
    height=numbers,
    num_frames=numbers,
    fps=times,
    duration=times,
    start_time=times,
)
members_ = st.builds(
    MemberRow,
    st.sampled_from(["mp4", "json", "jpg"]),
    st.integers(0, 2**62),
    st.integers(0, 2**40),
    st.integers(0, 2**32 - 1),
)
rows_ = st.builds(
    SampleRow, st.text(min_size=1, max_size=20), st.lists(members_, max_size=4).map(tuple), st.integers(0, 9), facts_
)


class WatchedSource(LocalSource):
    """Notes which bytes of index.parquet are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.path = folder / "index.parquet"
        self.reads: list[tuple[int, int]] = []

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().read(name, offset, length)
        if name == self.path.name:
            self.reads.append((offset, offset + len(data)))
        return data

    def chunks(self) -> list[tuple[int, str]]:
        """(row group, column) of every column chunk of which bytes were read."""
        metadata = pq.ParquetFile(self.path).metadata
        found = []
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(number)
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                if any(a < start + chunk.total_compressed_size and start < b for a, b in self.reads):
                    found.append((group, chunk.path_in_schema.partition(".")[0]))
        return found

    def groups(self) -> set[int]:
        return {group for group, _ in self.chunks()}


def save(folder: Path, shards: list[list[SampleRow]], group_rows: int = ROW_GROUP_ROWS) -> LocalSource:
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        ShardEntry(f"{i:06d}.tar", len(rows), sum(row.num_records for row in rows), 10_240 * i, f"{i:032x}")
        for i, rows in enumerate(shards)
    ]
    tables = (rows_table(i, rows) for i, rows in enumerate(shards))
    write_index(str(folder / "index.parquet"), tables, max_group_rows=group_rows)
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("toy", entries, 3, {"tool": "test"}))
    return LocalSource(str(folder))


def sample(i: int, records: int = 1) -> SampleRow:
    rng = np.random.default_rng(i)
    size = int(rng.integers(50_000, 150_000))
    members = (
        MemberRow("json", 1000 * i + 512, 200, int(rng.integers(2**32))),
        MemberRow("mp4", 1000 * i + 1536, size, i),
    )
    return SampleRow(f"{i:09d}", members, records, MediaFacts("video", "h264", 320, 240, 250 + i % 9, 25.0, 10.0, 0.0))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(rows_, min_size=1, max_size=5), min_size=1, max_size=6), st.integers(1, 8))
def test_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[SampleRow]], group_rows: int
) -> None:
    opened = Index.open(save(tmp_path_factory.mktemp("index"), shards, group_rows))
    assert opened.shards.num_samples.tolist() == [len(rows) for rows in shards]
    for number in reversed(range(len(shards))):
        rows = opened.rows(number)
        assert len(rows) == len(shards[number])
        for i, row in enumerate(shards[number]):
            assert (rows.keys[i], rows.members(i), int(rows.num_records[i]), rows.facts(i)) == row[:4]
        pairs = [(i, record) for i, row in enumerate(shards[number]) for record in range(row.num_records)]
        assert [rows.element(e) for e in range(len(pairs))] == pairs


def test_row_groups_end_on_shard_boundaries_and_are_read_when_asked_for(tmp_path: Path) -> None:
    save(tmp_path, [[sample(40 * s + i) for i in range(40)] for s in range(10)], group_rows=100)
    metadata = pq.ParquetFile(tmp_path / "index.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [80] * 5
    source = WatchedSource(tmp_path)
    opened = Index.open(source)
    for shard, groups in ((5, {2}), (4, set()), (5, set()), (9, {4}), (5, set()), (4, set())):
        source.reads.clear()
        assert opened.rows(shard).keys[0] == f"{40 * shard:09d}"
        assert source.groups() == groups


def test_row_groups_hold_a_bounded_number_of_key_frames(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    tables = []
    for number, count in enumerate((10, 0, 15, 5, 1, 40, 40, 3)):
        keys = KeyFrames(list(range(count)), [0.5 * i for i in range(count)], list(range(count)))
        tables.append(rows_table(number, [sample(number)._replace(key_frames=keys)], True))
    write_index(str(path), tables, key_frames=True, max_group_key_frames=30)
    metadata = pq.ParquetFile(path).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4, 1, 1, 1, 1]


def test_the_cache_of_rows_is_bounded(tmp_path: Path) -> None:
    opened = Index.open(save(tmp_path, [[sample(40 * s + i) for i in range(40)] for s in range(10)]))
    opened.rows_kept = 100
    alive = weakref.WeakSet[ShardRows]()
    for shard in range(10):
        alive.add(opened.rows(shard))
        gc.collect()
        assert sum(map(len, alive)) == min(shard + 1, 2) * 40
    with pytest.raises(IndexError, match="shard 10 of 10"):
        opened.rows(10)


def test_any_parquet_tool_reads_it(tmp_path: Path) -> None:
    save(tmp_path, [[sample(0, 2)], [sample(1), sample(2)]])
    row = pq.read_table(tmp_path / "index.parquet").to_pylist()[0]
    assert row["key"] == "000000000" and row["member_ext"] == ["json", "mp4"] and row["num_records"] == 2
    assert row["member_offset"] == [512, 1536] and row["kind"] == "video" and row["fps"] == 25.0
    shards = pq.read_table(tmp_path / "shards.parquet").to_pylist()
    assert [shard["first_row"] for shard in shards] == [0, 1] and shards[1]["num_elements"] == 2
    meta = json.loads((tmp_path / "dataset.json").read_text())
    assert meta["num_quarantined"] == 3 and meta["provenance"] == {"tool": "test"} and meta["format_version"] == 1


def test_stays_within_32_bytes_a_sample(tmp_path: Path) -> None:
    save(tmp_path, [[sample(1000 * s + i) for i in range(1000)] for s in range(20)])
    assert (tmp_path / "index.parquet").stat().st_size / 20_000 < 32


def test_the_fingerprint_follows_names_counts_and_checksums() -> None:
    shard = ShardEntry("000000.tar", 10, 20, 10_240, "0" * 32)
    other = [
        shard._replace(name="1.tar"),
        shard._replace(num_samples=11),
        shard._replace(num_elements=21),
        shard._replace(bytes=1),
        shard._replace(checksum="1" * 32),
    ]
    prints = {fingerprint([entry]) for entry in [shard, *other]}
    assert len(prints) == 6 and fingerprint([shard]) == fingerprint([shard])
    assert fingerprint([shard, other[0]]) != fingerprint([other[0], shard])


# ------------------------------------------------------------ files that do not fit


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


def edit(path: Path, **fields: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def refused(folder: Path, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Index.open(open_source(folder))


def test_a_folder_without_dataset_json_is_unfinished(folder: Path) -> None:
    (folder / "dataset.json").unlink()
    refused(folder, r"toy/dataset\.json: not found; .* was not finished \(start the same build command again")
    refused(folder / "nowhere", r"nowhere/dataset\.json: not found")


@pytest.mark.parametrize("name", ["index.parquet", "shards.parquet"])
def test_a_lost_or_damaged_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    refused(folder, rf"{name}.* is damaged .*build the dataset again")
    (folder / name).unlink()
    refused(folder, rf"{name}: not found.*a file was lost")


def test_another_format_version_is_refused(folder: Path) -> None:
    edit(folder / "dataset.json", format_version=2)
    refused(folder, "format_version is 2, this code reads 1")


@pytest.mark.parametrize("text", ["", "{", "[]", "\0" * 10, "[" * 100_000])
def test_a_dataset_json_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "dataset.json").write_text(text)
    refused(folder, r"dataset\.json: (not valid json|should be an object)")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_shards": 5}, "number of shards is 4, expected 5"),
        ({"num_samples": 26}, "number of samples is 25, expected 26"),
        ({"num_elements": 1}, "number of elements is 49, expected 1"),
        ({"fingerprint": "00"}, r"the fingerprint \(against dataset.json\) is \w+, expected 00"),
        ({"num_samples": "25"}, "num_samples should be of type int, is '25'"),
    ],
)
def test_counts_that_differ_name_both_values(folder: Path, fields: dict[str, object], message: str) -> None:
    edit(folder / "dataset.json", **fields)
    refused(folder, message)


def test_an_index_of_another_build_is_refused(folder: Path, tmp_path: Path, build_dataset: Callable[..., str]) -> None:
    other = Path(build_dataset(tmp_path / "other", num_samples=30))
    (folder / "index.parquet").write_bytes((other / "index.parquet").read_bytes())
    refused(folder, r"index\.parquet: is of another version than dataset\.json beside it; .* copy them again")
    said = json.loads((folder / "dataset.json").read_text())
    del said["index_content"]  # as it was written before
    (folder / "dataset.json").write_text(json.dumps(said))
    refused(folder, r"index\.parquet: the number of rows is 30, expected 25")
    other = Path(build_dataset(tmp_path / "shifted", samples_per_shard=5))
    (folder / "index.parquet").write_bytes((other / "index.parquet").read_bytes())
    opened = Index.open(open_source(folder))
    with pytest.raises(DatasetError, match=r"index\.parquet: .* should be of shard 1, are of 1|should be of shard"):
        for shard in range(4):
            opened.rows(shard)


def test_shard_names_cannot_lead_elsewhere(tmp_path: Path) -> None:
    source = save(tmp_path, [[sample(0)]])
    entry = ShardEntry("../../etc/passwd", 1, 1, 0, "0" * 32)
    write_shards(str(tmp_path / "shards.parquet"), [entry])
    (tmp_path / "dataset.json").write_bytes(dataset_json("toy", [entry], 0, {}))
    with pytest.raises(DatasetError, match="is not a plain file name"):
        Index.open(source)


def test_an_index_without_checksums_is_refused(tmp_path: Path) -> None:
    row = sample(0)
    bare = row._replace(members=tuple(member._replace(checksum=None) for member in row.members))  # type: ignore[arg-type]
    opened = Index.open(save(tmp_path, [[bare]]))
    with pytest.raises(DatasetError, match="holds no member checksums"):
        opened.rows(0)


# ------------------------------------------------------------ what an index may leave out, or add


def bare(i: int, num_records: int = -1) -> SampleRow:
    """A row of an index that was made from headers only."""
    row = sample(i)
    return row._replace(members=tuple(m._replace(checksum=None) for m in row.members), num_records=num_records)


def save_bare(folder: Path, rows: list[SampleRow], **fields: object) -> LocalSource:
    source = save(folder, [rows])
    num_elements = -1 if any(row.num_records < 0 for row in rows) else sum(row.num_records for row in rows)
    entry = ShardEntry("000000.tar", len(rows), num_elements, 0, "")
    write_shards(str(folder / "shards.parquet"), [entry], ["mtime_ns=1"], [7])
    (folder / "dataset.json").write_bytes(dataset_json("toy", [entry], 0, {}, verified=False, **fields))  # type: ignore[arg-type]
    return source


def test_an_unverified_index_has_no_checksums_and_may_not_know_records(tmp_path: Path) -> None:
    opened = Index.open(save_bare(tmp_path, [bare(0), bare(1, 1)]))
    assert not opened.verified and opened.shards.num_elements.tolist() == [-1]
    assert opened.rows(0).num_records.tolist() == [-1, 1]
    assert {member.checksum for i in range(2) for member in opened.rows(0).members(i)} == {None}
    assert opened.shards.states == ["mtime_ns=1"] and opened.shards.num_quarantined is not None
    assert Index.open(save(tmp_path, [[sample(0)]])).shards.states is None


def test_the_root_says_where_shards_lie_and_is_a_text(tmp_path: Path) -> None:
    opened = Index.open(save_bare(tmp_path, [bare(0)], root="s3://bucket/cc"))
    assert opened.shard_source.url == "s3://bucket/cc" and opened.source.url == str(tmp_path)
    edit(tmp_path / "dataset.json", root=7)
    refused(tmp_path, "root should be of type str, is 7")
    edit(tmp_path / "dataset.json", root="simplecache::s3://bucket/cc")
    refused(tmp_path, "root 'simplecache::s3://bucket/cc' is refused")


def test_an_index_from_elsewhere_does_not_lead_to_the_files_of_this_machine(tmp_path: Path) -> None:
    import fsspec

    save_bare(tmp_path, [bare(0)], root="/etc")
    fsspec.filesystem("memory").put(f"{tmp_path}/", "/rooted/", recursive=True)
    for place in (str(tmp_path), "memory://rooted"):
        with pytest.raises(DatasetError, match=rf"{place}/dataset\.json: root '/etc' is refused"):
            Index.open(open_source(place))
        assert Index.open(open_source(place), ["/etc"]).shard_source.url == "/etc"


def test_gop_tables_are_read_only_when_asked_for(tmp_path: Path) -> None:
    tables = [KeyFrames([0, 12], [0.25, 0.75], [48, 4096]), KeyFrames([], [], []), KeyFrames([0], [0.0], [-1])]
    rows = [sample(i)._replace(key_frames=table) for i, table in enumerate(tables)]
    source = save(tmp_path, [rows[:2], rows[2:]])
    assert Index.open(source).gop_table(0, 0) is None
    parts = [rows_table(shard, part, True) for shard, part in enumerate((rows[:2], rows[2:]))]
    write_index(str(tmp_path / "index.parquet"), parts, key_frames=True)
    opened = Index.open(open_source(tmp_path))
    assert [opened.gop_table(1, 0), opened.gop_table(0, 1), opened.gop_table(0, 0)] == tables[::-1]
    assert opened.table(1).column("key_frame").to_pylist() == [[0]]
    watched = WatchedSource(tmp_path)
    opened = Index.open(watched)
    gops = {"key_frame", "key_frame_time", "key_frame_offset"}
    for ask, wanted in ((opened.rows, False), (lambda shard: opened.gop_table(shard, 0), True)):
        watched.reads.clear()
        ask(1)
        columns = {column for _, column in watched.chunks()}
        assert gops <= columns if wanted else columns and not gops & columns


def test_gop_tables_of_the_last_used_shards_are_kept(tmp_path: Path) -> None:
    tables = [KeyFrames([0, 12], [0.25, 0.75], [48, 4096 + i]) for i in range(3)]
    parts = [[sample(i)._replace(key_frames=table)] for i, table in enumerate(tables)]
    save(tmp_path, parts)
    rows = [rows_table(i, part, True) for i, part in enumerate(parts)]
    write_index(str(tmp_path / "index.parquet"), rows, key_frames=True, max_group_rows=1)
    source = WatchedSource(tmp_path)
    opened = Index.open(source)
    opened.key_frames_kept = 4
    for shard, is_read in [(0, True), (1, True), (0, False), (2, True), (0, False), (1, True)]:
        source.reads.clear()
        assert opened.gop_table(shard, 0) == tables[shard]
        assert source.groups() == ({shard} if is_read else set())


@pytest.mark.parametrize("column", ["key_frame", "key_frame_time", "key_frame_offset"])
@pytest.mark.parametrize("values", [[[0, 12, 13], [0]], [[0, None], [0]], [[0], [0, 12]]])
def test_gop_tables_with_gaps_are_damage(tmp_path: Path, column: str, values: list[list[int | None]]) -> None:
    rows = [
        sample(0)._replace(key_frames=KeyFrames([0, 12], [0.25, 0.75], [48, 4096])),
        sample(1)._replace(key_frames=KeyFrames([0], [0.25], [48])),
    ]
    source = save(tmp_path, [rows])
    table = rows_table(0, rows, True)
    number = table.column_names.index(column)
    table = table.set_column(number, table.schema.field(column), pa.array(values, table.schema.field(column).type))
    pq.write_table(table, tmp_path / "index.parquet")
    with pytest.raises(
        DatasetError,
        match=r"index\.parquet: (shard 0: has GOP tables with gaps|row group 0: column key_frame\w* lacks 1 val)",
    ):
        Index.open(source).gop_table(0, 0)


def test_a_small_index_has_small_row_groups_and_a_large_one_a_bounded_number(tmp_path: Path) -> None:
    tables = [rows_table(0, [sample(i) for i in range(3000)])] * 8
    for num_rows, groups in ((24_000, [6000] * 4), (16_000_000, [15_000, 9_000]), (1 << 40, [24_000])):
        write_index(str(tmp_path / "i.parquet"), tables, num_rows)
        metadata = pq.ParquetFile(tmp_path / "i.parquet").metadata
        assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == groups


@pytest.mark.parametrize("random_keys", [False, True])
def test_an_index_of_foreign_tars_stays_within_32_bytes_a_sample(tmp_path: Path, random_keys: bool) -> None:
    rng = np.random.default_rng(0)
    rows = [[sample(1000 * s + i) for i in range(1000)] for s in range(20)]
    if random_keys:
        rows = [[row._replace(key=f"{rng.integers(10**9):09d}") for row in shard] for shard in rows]
    save(tmp_path, rows)
    assert (tmp_path / "index.parquet").stat().st_size / 20_000 < 32


def test_the_format_page_names_every_column_and_key() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "data_format.md").read_text()
    entry = ShardEntry("0.tar", 1, 1, 1, "")
    names = [*index_schema(True).names, *json.loads(dataset_json("toy", [entry], 0, {}, "/root"))]
    names += ["shard", "num_samples", "num_elements", "bytes", "checksum", "first_row", "state", "num_quarantined"]
    assert not [name for name in names if f"`{name}`" not in page]
