"""The three files beside the shards that say what a dataset holds; docs/data_format.md has every byte.

  dataset.json    format version, name, counts, fingerprint, provenance; written last (absent: unfinished)
  shards.parquet  a row per shard: name, samples, elements, bytes, checksum, first row in index.parquet
  index.parquet   a row per sample: key, byte range and checksum of each member, records, media facts

Plain parquet and json, readable with any tool. Written by `DatasetWriter` and by `python -m shards index`; the latter
may leave out what it did not look at: checksums (null), the number of records (-1), media facts (0 frames).
`Index.open` reads dataset.json, shards.parquet and the footer of
index.parquet, and refuses files that do not fit each other; rows are read a row group at a time (about 64k rows,
always whole shards) when a shard is first asked for, and the last used shards are kept. Memory is O(shards) + a
bounded number of rows. Threads may share an Index. On a remote store `Index.open` takes one round trip (two where the
footer has more than 1 MiB), and `prefetch` one for the rows of many shards.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import xxhash
from numpy.typing import NDArray

from shards.base.errors import ChangedFile, ConfigError, DatasetError, MissingFile, SourceError, WrongPlace
from shards.base.json_text import load_json
from shards.base.redact import shown
from shards.dataset.index.column_checks import ColumnError, check_nulls, check_types
from shards.dataset.index.parquet_file import ParquetError, ParquetFile
from shards.dataset.members.members import UNWRITTEN, MemberRules, MemberSettings, first_members
from shards.media.facts import FACT_NAMES, KeyFrames, MediaFacts
from shards.storage.addresses import is_remote
from shards.storage.file import BytesFile, SeekableFile
from shards.storage.open import open_source
from shards.storage.roots import permitted_root
from shards.storage.source import Source, Stat, address_of, check_name

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_VERSION = 1
DATASET_FILE = "dataset.json"
SHARDS_FILE = "shards.parquet"
INDEX_FILE = "index.parquet"
ROW_GROUP_ROWS = 65536
"""A row group is closed before the shard that would take it over this many rows, or over fewer in a small index."""
_MIN_GROUP_ROWS = 8192
_ROW_GROUPS = 1024
"""Row groups that an index has before they grow beyond the smallest; a group takes 1.2 kB of the footer, and whoever
wants one row reads a whole one (8192 rows: 2 ms)."""
MAX_MEDIA_BYTES = (1 << 31) - 1
MAX_TEXT_BYTES = 1 << 24
"""Largest media member and largest json member that is written or read."""
MAX_KEY_BYTES = 1024
"""Longest key with its extensions, bytes of UTF-8; no other text of index.parquet is as long."""
MAX_DATASET_BYTES = 1 << 25
_MAX_ROWS = 1 << 22
"""Rows of shards.parquet or of one row group of index.parquet: a few bytes of parquet may stand for billions of equal
ones. What they take in memory is bounded by shards/dataset/index/parquet_file.py."""
MAX_SHARDS_BYTES = 1 << 30
_TAIL_BYTES = 1 << 20
"""Fetched of index.parquet before its size is known: the footer of up to 50 million rows, or all of a small index."""
_PREFETCH_BYTES = 1 << 26
_GROUP_ROWS_KEPT = 1 << 17


_DICTIONARIES = ("kind", "codec", "member_ext.list.element")


class MemberRow(NamedTuple):
    """One file of a sample inside its shard."""

    ext: str
    """What follows the first dot of the name, e.g. "mp4", "json"."""
    offset: int
    size: int
    checksum: int | None
    """Low 32 bits of XXH3_64 of the bytes; None in an index that was made from headers only."""


class Ranges(NamedTuple):
    """Which bytes n samples are read from: int64 (3, n), of medium, json and other text (`Chosen`) in this order.

    size is -1 where there is no such member, -2 where it makes no sense. has_checksums: bool (n,), whether those of all
    that are there are known; has_some: of at least one.
    """

    offset: NDArray[np.int64]
    size: NDArray[np.int64]
    checksum: NDArray[np.int64]
    has_checksums: NDArray[np.bool_]
    has_some: NDArray[np.bool_]


class SampleRow(NamedTuple):
    """What the index says about one sample."""

    key: str
    members: tuple[MemberRow, ...]
    num_records: int
    """-1 when nobody looked."""
    facts: MediaFacts
    key_frames: KeyFrames | None = None
    """None in an index without GOP tables."""


class ShardEntry(NamedTuple):
    """What shards.parquet says about one shard."""

    name: str
    num_samples: int
    num_elements: int
    """Records of all samples; -1 when those of some are not known."""
    bytes: int
    checksum: str
    """XXH3_128 of the whole tar, 32 hexadecimal digits; empty when nobody read all of it."""


@dataclass(frozen=True, slots=True)
class ShardTable:
    """shards.parquet as arrays over the S shards."""

    names: list[str]
    num_samples: NDArray[np.int64]
    num_elements: NDArray[np.int64]
    bytes: NDArray[np.int64]
    checksums: list[str]
    first_row: NDArray[np.int64]
    states: list[str] | None = None
    """What the store said about each tar (time or etag) when it was indexed; None if the index does not keep it."""
    num_quarantined: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def entries(self) -> Iterator[tuple[str, int, int, int, str]]:
        """The same, shard by shard, as a ShardEntry has it."""
        columns = (self.num_samples.tolist(), self.num_elements.tolist(), self.bytes.tolist())
        return zip(self.names, *columns, self.checksums, strict=True)


# ---------------------------------------------------------------- checksums and fingerprint


def member_checksum(data: bytes | memoryview) -> int:
    """Low 32 bits of XXH3_64: what member_checksum holds."""
    return xxhash.xxh3_64_intdigest(data) & 0xFFFFFFFF


def damage(member: MemberRow, data: bytes | memoryview) -> str | None:
    """Why these are not the bytes of a member; None when they are, or when nobody knows its checksum."""
    if member.checksum is None or (found := member_checksum(data)) == member.checksum:
        return None
    return f".{member.ext} is damaged: checksum {found:08x}, the index expects {member.checksum:08x}"


def check_shard_size(url: str, found: int, expected: int) -> None:
    """Raise DatasetError when a shard has not as many bytes as the index says."""
    if found != expected:
        raise DatasetError(
            f"{url}: has {found} bytes, the index expects {expected}; the shard was replaced or cut off, or the index "
            "is older than it: copy shards and index together again"
        )


def fingerprint(shards: Iterable[tuple[str, int, int, int, str]]) -> str:
    """32 hexadecimal digits over the names, counts, sizes and checksums of the shards, in order."""
    lines = (_line_of(*shard) for shard in shards)
    found = xxhash.xxh3_128()
    while some := b"".join(islice(lines, 1024)):
        found.update(some)
    return found.hexdigest()


def _line_of(name: str, num_samples: int, num_elements: int, num_bytes: int, checksum: str) -> bytes:
    return f"{name}\0{num_samples}\0{num_elements}\0{num_bytes}\0{checksum}\n".encode()


def fingerprints(shards: Iterable[tuple[str, int, int, int, str]]) -> Iterator[str]:
    """The fingerprint of the first shard, of the first two, and so on."""
    digest = xxhash.xxh3_128()
    for shard in shards:
        digest.update(_line_of(*shard))
        yield digest.hexdigest()


# ---------------------------------------------------------------- writing


CONTENT = "content"
"""Under which index.parquet keeps the checksum of its row groups."""
KEY_FRAME_COLUMNS = ("key_frame", "key_frame_time", "key_frame_offset")


def index_schema(key_frames: bool = False) -> pa.Schema:
    """Arrow schema of index.parquet, with the optional GOP tables or without."""
    import pyarrow as pa

    gop = zip(KEY_FRAME_COLUMNS, (pa.int32(), pa.float32(), pa.int64()), strict=True)
    return pa.schema(
        [
            ("shard", pa.int32()),
            ("key", pa.string()),
            ("member_ext", pa.list_(pa.string())),
            ("member_offset", pa.list_(pa.int64())),
            ("member_size", pa.list_(pa.int64())),
            ("member_checksum", pa.list_(pa.uint32())),
            ("num_records", pa.int32()),
            ("kind", pa.string()),
            ("codec", pa.string()),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("num_frames", pa.int32()),
            ("fps", pa.float32()),
            ("duration", pa.float32()),
            ("start_time", pa.float32()),
            *((name, pa.list_(kind)) for name, kind in (gop if key_frames else ())),
        ]
    )


def rows_table(shard: int, rows: Sequence[SampleRow], key_frames: bool = False) -> pa.Table:
    """The rows of one shard as an Arrow table, with GOP tables or without."""
    import pyarrow as pa

    facts = [row.facts for row in rows]
    columns: dict[str, list[Any]] = {
        "shard": [shard] * len(rows),
        "key": [row.key for row in rows],
        "num_records": [row.num_records for row in rows],
    }
    for field in MemberRow._fields:
        columns[f"member_{field}"] = [[getattr(member, field) for member in row.members] for row in rows]
    for field in FACT_NAMES:
        columns[field] = [getattr(fact, field) for fact in facts]
    for name, field in zip(KEY_FRAME_COLUMNS, KeyFrames._fields, strict=True) if key_frames else ():
        columns[name] = [getattr(row.key_frames, field) if row.key_frames else [] for row in rows]
    schema = index_schema(key_frames)
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema=schema)


def write_index(
    path: str,
    tables: Iterable[pa.Table],
    num_rows: int | None = None,
    key_frames: bool = False,
    *,
    max_group_rows: int = ROW_GROUP_ROWS,
    max_group_key_frames: int = 1 << 22,
) -> str:
    """Write index.parquet from one table per shard, in shard order; returns the checksum of its row groups, which the
    file holds too. Holds one row group in memory.

    num_rows: how many rows there will be, if that is known: a small index gets smaller row groups. A row group is
    closed before the shard that would take it over max_group_rows rows or max_group_key_frames key frames.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    group_rows = ROW_GROUP_ROWS if num_rows is None else max(_MIN_GROUP_ROWS, num_rows // _ROW_GROUPS)
    group_rows = min(group_rows, max_group_rows)
    schema = index_schema(key_frames)
    delta = "DELTA_BINARY_PACKED"
    element = ".list.element"
    encodings = {
        "shard": delta,
        "key": "DELTA_BYTE_ARRAY",
        f"member_offset{element}": delta,
        f"member_size{element}": delta,
        f"member_checksum{element}": "PLAIN",  # incompressible by nature
        **dict.fromkeys(("num_records", "width", "height", "num_frames"), delta),
        **dict.fromkeys(("fps", "duration", "start_time"), "BYTE_STREAM_SPLIT"),
    }
    if key_frames:
        frame, time, offset = (f"{name}{element}" for name in KEY_FRAME_COLUMNS)
        encodings |= {frame: delta, time: "BYTE_STREAM_SPLIT", offset: delta}
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[f"member_ext{element}", "kind", "codec"],
        column_encoding=encodings,
        write_statistics=["shard", "num_records", "width", "height", "num_frames", "fps", "duration"],
    ) as writer:
        pending: list[pa.Table] = []
        count = values = 0
        for table in tables:
            more = _num_key_frames(table) if key_frames else 0
            if pending and (count + table.num_rows > group_rows or values + more > max_group_key_frames):
                writer.write_table(pa.concat_tables(pending), row_group_size=count)
                pending, count, values = [], 0, 0
            pending.append(table)
            count, values = count + table.num_rows, values + more
        if count:
            writer.write_table(pa.concat_tables(pending), row_group_size=count)
        with open(path, "rb") as file:  # row groups lie in it when they are written, the footer follows
            content = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
        writer.add_key_value_metadata({CONTENT: content})
    return content


def _num_key_frames(table: pa.Table) -> int:
    """Of all samples of a shard."""
    columns = table.column(KEY_FRAME_COLUMNS[0]).chunks
    return sum(int(chunk.offsets[-1].as_py() - chunk.offsets[0].as_py()) for chunk in columns if len(chunk))


def write_shards(
    path: str,
    shards: Sequence[ShardEntry],
    states: Sequence[str] | None = None,
    num_quarantined: Sequence[int] | None = None,
) -> None:
    """Write shards.parquet; first_row follows from the counts, the last two are optional columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    num_samples = np.array([shard.num_samples for shard in shards], np.int64)
    columns = {
        "shard": pa.array([shard.name for shard in shards], pa.string()),
        "num_samples": pa.array(num_samples),
        "num_elements": pa.array([shard.num_elements for shard in shards], pa.int64()),
        "bytes": pa.array([shard.bytes for shard in shards], pa.int64()),
        "checksum": pa.array([shard.checksum for shard in shards], pa.string()),
        "first_row": pa.array(np.cumsum(num_samples) - num_samples),
    }
    if states is not None:
        columns["state"] = pa.array(states, pa.string())
    if num_quarantined is not None:
        columns["num_quarantined"] = pa.array(num_quarantined, pa.int64())
    pq.write_table(pa.table(columns), path, compression="zstd")


def dataset_json(
    name: str,
    shards: Sequence[ShardEntry],
    num_quarantined: int,
    provenance: dict[str, Any],
    root: str | None = None,
    verified: bool = True,
    rules: MemberRules | None = None,
    root_seal: str | None = None,
    content: str | None = None,
) -> bytes:
    """The bytes of dataset.json. root: where the shards lie, if not beside it; it is written without credentials.
    rules: None for tars of our own. root_seal: shards/storage/roots.py. content: what `write_index` returned."""
    counts = np.array([shard.num_elements for shard in shards], np.int64)
    said = {
        "format_version": FORMAT_VERSION,
        "name": name,
        **({} if root is None else {"root": shown(root)}),
        **({} if root_seal is None else {"root_seal": root_seal}),
        "num_shards": len(shards),
        "num_samples": sum(shard.num_samples for shard in shards),
        "num_elements": total_records(counts),
        "num_quarantined": num_quarantined,
        "verified": verified,
        **({} if rules is None else {"members": rules.model_dump(mode="json")}),
        "fingerprint": fingerprint(shards),
        **({} if content is None else {"index_content": content}),
        "provenance": provenance,
    }
    return (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode()


def total_records(num_elements: NDArray[np.int64]) -> int:
    """Records of all shards; -1 when those of one are not known."""
    return -1 if (num_elements < 0).any() else int(num_elements.sum())


# ---------------------------------------------------------------- reading


class Texts(Sequence[str]):
    """Many short texts in one piece of memory: a string of its own for each takes five times as much."""

    def __init__(self, array: pa.StringArray) -> None:
        _, ends, data = array.buffers()
        bounds = np.frombuffer(ends, np.int32)[array.offset : array.offset + len(array) + 1].copy()
        self._bytes = b"" if data is None else bytes(memoryview(data)[bounds[0] : bounds[-1]])
        self._bounds = bounds - bounds[0]

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        numbers = range(len(self))[at]
        if isinstance(numbers, range):
            return [self[number] for number in numbers]
        return self._bytes[self._bounds[numbers] : self._bounds[numbers + 1]].decode()


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in as few bytes as they need; a column that says one thing takes no room."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[:1].copy(), values.shape)
    if values.dtype.kind in "iu" and len(values):
        low, high = values.min(), values.max()
        for kind in (np.int8, np.int16, np.int32):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return values.astype(kind)
    return values.copy()


def flat(lists: pa.ListArray) -> pa.Array:
    """All entries; `flatten` does the same through pyarrow.compute, which takes 9 MB and 25 ms to import."""
    bounds = lists.offsets
    start, stop = bounds[0].as_py(), bounds[-1].as_py()
    return lists.values.slice(start, stop - start)


class ShardRows:
    """The rows of one shard, compact: plain arrays, nothing of the row group they came from is kept alive."""

    def __init__(self, table: pa.Table, verified: bool = True, rules: MemberRules = UNWRITTEN) -> None:
        def column(name: str) -> pa.Array:
            return table.column(name).combine_chunks()

        def numbers(name: str) -> NDArray[Any]:
            return compact(column(name).to_numpy(zero_copy_only=False))

        def of_members(name: str) -> NDArray[Any]:
            values: NDArray[Any] = flat(column(name)).to_numpy(zero_copy_only=False)
            return values

        ext = column("member_ext")
        starts = np.asarray(ext.offsets).astype(np.int64)
        starts -= starts[0]
        names = flat(ext)
        checksum = of_members("member_checksum")
        known = np.full(len(checksum), True)
        if checksum.dtype.kind == "f":  # arrow's way to show that some are missing; 32 bits fit in the 53 of a float
            known = ~np.isnan(checksum)
            checksum = np.where(known, checksum, 0).astype(np.uint32)
        if verified and not known.all():
            raise ValueError("holds no member checksums")
        self.keys = Texts(column("key"))
        self.num_records = numbers("num_records")
        """-1: not known."""
        first = np.zeros(len(self.num_records) + 1, np.int64)
        np.cumsum(self.num_records, out=first[1:])
        self.first_element = compact(first)
        """Number of records before each sample, and their total at the end; of no use where some are not known."""
        self._starts = compact(starts)
        self._ext_names: list[str] = names.dictionary.to_pylist()
        self._ext = compact(np.asarray(names.indices))
        self._offset, self._size = compact(of_members("member_offset")), compact(of_members("member_size"))
        self._has_checksum, self._checksum = compact(known), compact(checksum)
        lengths = {len(self._ext), len(self._offset), len(self._size), len(self._checksum)}
        if lengths != {int(starts[-1])}:
            raise ValueError("has member columns of different lengths")
        chosen = [first_members(self._ext_names, self._ext, self._starts, ranks) for ranks in rules.ranks]
        self._chosen = compact(np.stack(chosen))
        kind, codec = column("kind"), column("codec")
        self._kinds: list[str] = kind.dictionary.to_pylist()
        self._codecs: list[str] = codec.dictionary.to_pylist()
        self._kind, self._codec = compact(np.asarray(kind.indices)), compact(np.asarray(codec.indices))
        self._width, self._height, self._num_frames = numbers("width"), numbers("height"), numbers("num_frames")
        self._fps, self._duration, self._start_time = numbers("fps"), numbers("duration"), numbers("start_time")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def weight(self) -> int:
        """As how many rows of a few members each these count."""
        return max(len(self), len(self._ext) // 4)

    def members(self, row: int) -> tuple[MemberRow, ...]:
        """The members of one sample in the order in which they lie in the tar."""
        return tuple(
            MemberRow(
                self._ext_names[self._ext[i]],
                int(self._offset[i]),
                int(self._size[i]),
                int(self._checksum[i]) if self._has_checksum[i] else None,
            )
            for i in range(self._starts[row], self._starts[row + 1])
        )

    def ranges(self, rows: NDArray[np.int64]) -> Ranges:
        """Where the members that are read lie, of many samples at once."""
        first = self._chosen[:, rows].astype(np.int64)
        there = first >= 0
        if not len(self._ext):
            first = np.full_like(first, -1)
        at = np.maximum(first, 0)

        def pick(values: NDArray[Any], missing: Any) -> NDArray[Any]:
            return np.where(there, values[at] if len(values) else missing, missing)

        size = pick(self._size.astype(np.int64, copy=False), -1)
        return Ranges(
            pick(self._offset, 0).astype(np.int64, copy=False),
            np.where(there & (size < 0), -2, size),
            pick(self._checksum, 0).astype(np.int64),
            np.asarray(pick(self._has_checksum, True).all(0)),
            np.asarray(pick(self._has_checksum, False).any(0)),
        )

    def medium(self, row: int) -> MemberRow | None:
        """The medium of one sample; None where the rules find none."""
        at = int(self._chosen[0, row])
        return self.members(row)[at - int(self._starts[row])] if at >= 0 else None

    def text_bytes(self, row: int) -> int:
        """Size of the texts of one sample together."""
        return sum(int(self._size[at]) for at in self._chosen[1:, row].tolist() if at >= 0)

    def facts(self, row: int) -> MediaFacts:
        """The media facts of one sample."""
        return MediaFacts(
            kind=self._kinds[self._kind[row]],
            codec=self._codecs[self._codec[row]],
            width=int(self._width[row]),
            height=int(self._height[row]),
            num_frames=int(self._num_frames[row]),
            fps=float(self._fps[row]),
            duration=float(self._duration[row]),
            start_time=float(self._start_time[row]),
        )

    def element(self, number: int) -> tuple[int, int]:
        """(sample, record) of the element with this number inside the shard."""
        sample = int(np.searchsorted(self.first_element, number, side="right")) - 1
        return sample, number - int(self.first_element[sample])


class GopTables:
    """The GOP tables of one shard as plain arrays."""

    def __init__(self, table: pa.Table) -> None:
        columns = [table.column(name).combine_chunks() for name in KEY_FRAME_COLUMNS]
        starts = [np.asarray(column.offsets) - column.offsets[0].as_py() for column in columns]
        values = [column.flatten() for column in columns]
        self._starts = starts[0]
        whole = all(np.array_equal(starts[0], other) for other in starts[1:])
        if not whole or any(len(value) != self._starts[-1] or value.null_count for value in values):
            raise ValueError("has GOP tables with gaps")
        self._values = [value.to_numpy(zero_copy_only=False).copy() for value in values]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def of(self, row: int) -> KeyFrames:
        """The table of one sample."""
        here = slice(self._starts[row], self._starts[row + 1])
        return KeyFrames(*(value[here].tolist() for value in self._values))


class Index:
    """The index of one dataset, read lazily. Made by `Index.open`."""

    rows_kept = 1 << 19
    """Most rows that are kept of the shards that were used last."""
    key_frames_kept = 1 << 22
    """Most entries of GOP tables that are kept, 16 bytes each."""

    def __init__(
        self,
        source: Source,
        shard_source: Source,
        dataset: dict[str, Any],
        shards: ShardTable,
        parquet: Any,
        file: IndexFile,
    ) -> None:
        self.source = source
        self.dataset = dataset
        """The content of dataset.json."""
        self.shards = shards
        self.shard_source = shard_source
        """Where the shards lie: beside the index, or at the root that dataset.json names."""
        self.verified: bool = dataset.get("verified", True)
        """Whether every member and shard has its checksum."""
        self.fingerprint: str = dataset["fingerprint"]
        self.rules = read_rules(source, dataset)
        """Which members of a sample are read; `set_members` changes what can be changed."""
        self._parquet, self._file = parquet, file
        # GOP tables are large and stay where they are.
        self._columns = [name for name in parquet.schema_arrow.names if name not in KEY_FRAME_COLUMNS]
        group_rows = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
        self._group_first = np.concatenate([[0], np.cumsum(group_rows, dtype=np.int64)])
        group_of = np.searchsorted(self._group_first, shards.first_row, side="right") - 1
        # an empty last shard starts behind the last group; an index without rows has no group at all
        self._group_of = np.clip(group_of, 0, max(0, len(group_rows) - 1))
        self._groups: OrderedDict[int, pa.Table] = OrderedDict()
        self._rows: OrderedDict[int, ShardRows] = OrderedDict()
        self._rows_held = 0
        self._gops: OrderedDict[int, GopTables] = OrderedDict()
        self._whole: tuple[int, pa.Table] | None = None
        self._lock = threading.Lock()

    @classmethod
    def open(cls, source: Source, roots: Sequence[str] = ()) -> Index:
        """Read the small files and check that they fit each other. Raises DatasetError, or SourceError.

        roots: places beside and below the index that the shards may lie at (shards/storage/roots.py).
        """
        get_dataset, get_shards, get_stat, get_tail = ask_for_files(source)
        dataset = read_dataset(source, get_dataset)
        shard_source = open_root(source, dataset, roots)
        try:
            shards = read_shards(source, dataset, get_shards())
            found, tail = get_stat(), get_tail()
            if tail and not source.stat_many([INDEX_FILE], known=True)[0].may_be(found):
                raise DatasetError(f"{source.url}/{INDEX_FILE}: changed while it was being opened: start again")
            file = IndexFile(source, found.size, tail)
            parquet = ParquetFile(file, _DICTIONARIES)
        except MissingFile as error:
            raise DatasetError(f"{error}; {DATASET_FILE} is there, so a file was lost: {REBUILD}") from error
        except (ParquetError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{source.url}: {SHARDS_FILE} or {INDEX_FILE} is damaged ({error}); {REBUILD}"
            ) from error
        check_row_counts(source, INDEX_FILE, parquet.metadata)
        check_fit(source, dataset, shards, parquet)
        file.forget_tail()
        return cls(source, shard_source, dataset, shards, parquet, file)

    def set_members(self, settings: MemberSettings) -> None:
        """Read the members that a config wants, before the first rows are. Raises ConfigError."""
        self.rules = self.rules.with_settings(settings, self.shard_source.url)

    def rows(self, shard: int) -> ShardRows:
        """The rows of a shard (0..S-1)."""
        with self._lock:
            rows = self._rows.get(shard)
            if rows is None:
                return self._take_in(shard)
            self._rows.move_to_end(shard)
            return rows

    def prefetch(self, shards: Iterable[int]) -> None:
        """Load the rows of several shards; from a remote store the row groups come in one round trip for every 64 MiB.

        For shards that are used next: no more rows are kept than otherwise. Does nothing where the index is local.
        """
        if not is_remote(self.source.url):
            return
        with self._lock:
            for members, spans in self._batches(sorted(set(shards) - self._rows.keys())):
                try:
                    data = self.source.read_many([(INDEX_FILE, start, length) for start, length in spans])
                except (ChangedFile, MissingFile) as error:
                    raise _was_replaced(error) from error
                self._file.pieces += [(start, piece) for (start, _), piece in zip(spans, data, strict=True)]
                try:
                    for shard in members:
                        self._take_in(shard)
                finally:
                    del self._file.pieces[len(self._file.pieces) - len(spans) :]

    def columns(self, shard: int, names: Sequence[str]) -> pa.Table:
        """Some columns of the rows of one shard; keeps nothing."""
        group, start = self._place(shard)
        return self._read_columns(group, names).slice(start, int(self.shards.num_samples[shard]))

    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]:
        """Some columns of all rows, a row group at a time: (first shard, shard behind the last, rows)."""
        stops = np.searchsorted(self.shards.first_row, self._group_first, side="left").tolist()
        for group, (first, stop) in enumerate(pairwise(stops)):
            yield first, stop, self._read_columns(group, names)

    def layout_digest(self) -> str:
        """32 hexadecimal digits over the footer of index.parquet: sizes and extremes of all columns. Tells apart an
        index from another of the same shards, as the fingerprint does not."""
        import pyarrow as pa

        footer = pa.BufferOutputStream()
        self._parquet.metadata.write_metadata_file(footer)
        return xxhash.xxh3_128_hexdigest(footer.getvalue())

    def _read_columns(self, group: int, names: Sequence[str]) -> pa.Table:
        with self._lock:
            return self._read_group(group, list(names))

    def table(self, shard: int) -> pa.Table:
        """All columns of a shard's rows, GOP tables included, as they are in index.parquet.

        For one thread that goes through the shards in order: the last row group is kept.
        """
        group, start = self._place(shard)
        if self._whole is None or self._whole[0] != group:
            self._whole = (group, self._read_group(group, None))
        return self._part(self._whole[1], shard, start)

    @property
    def has_key_frames(self) -> bool:
        """Whether the index has GOP tables."""
        return set(KEY_FRAME_COLUMNS) <= set(self._parquet.schema_arrow.names)

    def gop_table(self, shard: int, row: int) -> KeyFrames | None:
        """The GOP table of one sample, None when the index has none. Those of the last used shards are kept."""
        if not self.has_key_frames:
            return None
        with self._lock:
            tables = self._gops.pop(shard, None)
            if tables is None:
                group, start = self._place(shard)
                part = self._part(self._read_group(group, ["shard", *KEY_FRAME_COLUMNS]), shard, start)
                try:
                    tables = GopTables(part)
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    raise self._damaged(f"shard {shard}: {error}") from error
            self._gops[shard] = tables
            while len(self._gops) > 1 and sum(map(len, self._gops.values())) > self.key_frames_kept:
                self._gops.popitem(last=False)
        return tables.of(row)

    def _take_in(self, shard: int) -> ShardRows:
        rows = self._rows[shard] = self._load(shard)
        self._rows_held += rows.weight
        while self._rows_held > self.rows_kept and len(self._rows) > 1:
            self._rows_held -= self._rows.popitem(last=False)[1].weight
        return rows

    def _load(self, shard: int) -> ShardRows:
        group, start = self._place(shard)
        table = self._groups.pop(group, None)
        if table is None:
            table = self._read_group(group, self._columns)
        self._groups[group] = table
        while len(self._groups) > 1 and sum(map(_weight, self._groups.values())) > _GROUP_ROWS_KEPT:
            self._groups.popitem(last=False)
        part = self._part(table, shard, start)
        try:
            rows = ShardRows(part, self.verified, self.rules)
        except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:  # columns of any kind
            raise self._damaged(f"shard {shard}: {error}") from error
        found, expected = total_records(rows.num_records), self.shards.num_elements[shard]
        if found != expected:
            raise self._damaged(f"shard {shard} has {found} records, {SHARDS_FILE} says {expected}")
        return rows

    def _batches(self, shards: Iterable[int]) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
        """Shards with the (offset, length) of their row groups, as many as are fetched at once."""
        members: list[int] = []
        spans: dict[int, tuple[int, int]] = {}
        for shard in shards:
            group, _ = self._place(shard)
            if group not in spans:
                span = (0, 0) if group in self._groups else self._span(group)
                if members and sum(length for _, length in spans.values()) + span[1] > _PREFETCH_BYTES:
                    yield members, list(spans.values())
                    members, spans = [], {}
                spans[group] = span
            members.append(shard)
        if members:
            yield members, list(spans.values())

    def _span(self, group: int) -> tuple[int, int]:
        """(offset, length) of what `_load` reads of a row group; (0, 0) where that is here, or makes no sense."""
        if len(self._group_first) == 1:
            return 0, 0
        start, stop = self._parquet.span(group, self._columns)
        is_wanted = start < stop and not self._file.has(start, stop - start)
        return (start, stop - start) if is_wanted else (0, 0)

    def _read_group(self, group: int, columns: list[str] | None) -> pa.Table:
        if len(self._group_first) == 1:  # no row group at all
            empty = self._parquet.schema_arrow.empty_table()
            return empty if columns is None else empty.select(columns)
        try:
            table = self._parquet.read_row_group(group, columns=columns)
            check_table(table)
            return table
        except (ChangedFile, MissingFile) as error:
            raise _was_replaced(error) from error
        except ValueError as error:
            raise self._damaged(f"row group {group}: {error}") from error

    def _place(self, shard: int) -> tuple[int, int]:
        """(row group, first row inside it) of a shard."""
        if not 0 <= shard < len(self.shards):
            raise IndexError(f"{self.source.url}: shard {shard} of {len(self.shards)}")
        group = int(self._group_of[shard])
        return group, int(self.shards.first_row[shard] - self._group_first[group])

    def _part(self, table: pa.Table, shard: int, start: int) -> pa.Table:
        part = table.slice(start, int(self.shards.num_samples[shard]))
        if len(part) != self.shards.num_samples[shard]:
            raise self._damaged(
                f"has {len(part)} rows of shard {shard}, {SHARDS_FILE} says {self.shards.num_samples[shard]}"
            )
        numbers = part.column("shard").to_numpy()
        if len(numbers) and (numbers[0] != shard or numbers[-1] != shard):
            raise self._damaged(f"rows {start}.. of a row group should be of shard {shard}, are of {numbers[0]}")
        return part

    def _damaged(self, what: str) -> DatasetError:
        return DatasetError(f"{self.source.url}/{INDEX_FILE}: {what}; {REBUILD}")


class IndexFile(SeekableFile):
    """index.parquet, with pieces of it that were fetched beforehand."""

    def __init__(self, source: Source, num_bytes: int, tail: bytes) -> None:
        super().__init__(num_bytes, f"{source.url}/{INDEX_FILE}")
        self._source, self.num_bytes = source, num_bytes
        self.pieces = [(num_bytes - len(tail), tail)]
        """(offset, bytes)"""

    def forget_tail(self) -> None:
        """The footer was read; a small file was fetched whole and is kept."""
        self.pieces = [(start, data) for start, data in self.pieces if not start]

    def has(self, offset: int, length: int) -> bool:
        """Whether one piece holds all of a range."""
        return any(start <= offset and offset + length <= start + len(data) for start, data in self.pieces)

    def _get(self, offset: int, length: int) -> bytes:
        for start, data in self.pieces:
            if start <= offset and offset + length <= start + len(data):
                return data[offset - start : offset - start + length]
        return self._source.read(INDEX_FILE, offset, length)


def ask_for_files(
    source: Source,
) -> tuple[Callable[[], bytes], Callable[[], bytes], Callable[[], Stat], Callable[[], bytes]]:
    """What gives dataset.json, shards.parquet, and size and tail of index.parquet; a remote store is asked for all
    of it at once."""
    dataset = partial(source.read, DATASET_FILE, 0, MAX_DATASET_BYTES)
    shards = partial(source.read, SHARDS_FILE, 0, MAX_SHARDS_BYTES)
    stat = partial(source.stat, INDEX_FILE)
    if not is_remote(source.url):
        return dataset, shards, stat, bytes
    with ThreadPoolExecutor(4) as pool:
        tail = pool.submit(source.read, INDEX_FILE, -_TAIL_BYTES)
        return pool.submit(dataset).result, pool.submit(shards).result, pool.submit(stat).result, tail.result


def _weight(table: pa.Table) -> int:
    """As how many rows of 256 bytes each a table counts: few rows may hold endless lists."""
    return max(int(table.num_rows), int(table.get_total_buffer_size()) >> 8)


def _was_replaced(error: SourceError) -> DatasetError:
    """For an index that is not the one any more that was opened."""
    if isinstance(error, ChangedFile):
        return DatasetError(str(error))
    return DatasetError(f"{error}; the dataset changed while it was being read: start again")


REBUILD = "build the dataset again, or copy it again from where it is whole"


def read_dataset(source: Source, read: Callable[[], bytes]) -> dict[str, Any]:
    path = f"{source.url}/{DATASET_FILE}"
    try:
        content = load_json(read(), MAX_DATASET_BYTES)
    except MissingFile as error:
        raise WrongPlace(
            f"{path}: not found; either no dataset was built here, or its conversion was not finished "
            "(start the same build command again: it goes on where it stopped); tars made elsewhere need an index: "
            "python -m shards index"
        ) from error
    except ValueError as error:
        raise DatasetError(f"{path}: not valid json ({error}); {REBUILD}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: should be an object, is a {type(content).__name__}; {REBUILD}")
    if content.get("format_version") != FORMAT_VERSION:
        raise DatasetError(
            f"{path}: format_version is {content.get('format_version')!r}, this code reads {FORMAT_VERSION}; "
            "use the matching version of the code, or build the dataset again"
        )
    fields = {"name": str, "fingerprint": str, "num_shards": int, "num_samples": int, "num_elements": int}
    for field, kind in fields.items():
        if not isinstance(content.get(field), kind):
            raise DatasetError(
                f"{path}: {field} should be of type {kind.__name__}, is {content.get(field)!r}; {REBUILD}"
            )
    for field, kind in {"root": str, "root_seal": str, "verified": bool, "index_content": str}.items():
        if field in content and not isinstance(content[field], kind):
            raise DatasetError(f"{path}: {field} should be of type {kind.__name__}, is {content[field]!r}; {REBUILD}")
    return content


def open_root(source: Source, dataset: dict[str, Any], roots: Sequence[str]) -> Source:
    """Where the shards lie: beside the index, or at the root that dataset.json names, if that is permitted."""
    root = dataset.get("root")
    if root is None:
        return source
    try:
        return open_source(permitted_root(address_of(source), root, dataset.get("root_seal"), roots), roots)
    except ValueError as error:
        path = f"{source.url}/{DATASET_FILE}"
        raise DatasetError(f"{path}: root {shown(root)[:200]!r} is refused: {error}") from None


def read_rules(source: Source, dataset: dict[str, Any]) -> MemberRules:
    if "members" not in dataset:
        return UNWRITTEN
    try:
        return MemberRules.model_validate(dataset["members"])
    except ConfigError as error:
        raise DatasetError(f"{source.url}/{DATASET_FILE}: members: {error}; {REBUILD}") from error


def read_shards(source: Source, dataset: dict[str, Any], data: bytes) -> ShardTable:
    parquet = ParquetFile(BytesFile(data, f"{source.url}/{SHARDS_FILE}"), ("shard", "checksum", "state"))
    check_row_counts(source, SHARDS_FILE, parquet.metadata)
    try:
        check_types(parquet.schema_arrow, *_shards_types())
        table = parquet.read()
        check_nulls(table)
    except ColumnError as error:
        raise DatasetError(f"{source.url}/{SHARDS_FILE}: {error}; {REBUILD}") from error

    def numbers(name: str) -> NDArray[np.int64]:
        return np.array(table.column(name).to_numpy(), np.int64)

    try:
        check_texts(table)
        names, checksums = _texts(table, "shard"), _texts(table, "checksum")
        for name in names:
            check_name(name)
    except ValueError as error:
        raise DatasetError(f"{source.url}/{SHARDS_FILE}: {error}; the file was not written by this code") from error
    expect(source, SHARDS_FILE, "the number of shards", len(names), dataset["num_shards"])
    shards = ShardTable(
        names=names,
        num_samples=numbers("num_samples"),
        num_elements=numbers("num_elements"),
        bytes=numbers("bytes"),
        checksums=checksums,
        first_row=numbers("first_row"),
        states=_texts(table, "state") if "state" in table.column_names else None,
        num_quarantined=numbers("num_quarantined") if "num_quarantined" in table.column_names else None,
    )
    num_samples = shards.num_samples
    expect(source, SHARDS_FILE, "the number of samples", int(num_samples.sum()), dataset["num_samples"])
    expect(source, SHARDS_FILE, "the number of elements", total_records(shards.num_elements), dataset["num_elements"])
    what = f"the fingerprint (against {DATASET_FILE})"
    expect(source, SHARDS_FILE, what, fingerprint(shards.entries()), dataset["fingerprint"])
    first = np.cumsum(num_samples) - num_samples
    if not np.array_equal(shards.first_row, first):
        expect(source, SHARDS_FILE, "first_row", shards.first_row.tolist(), first.tolist())
    return shards


def _shards_types() -> tuple[dict[str, pa.DataType], frozenset[str]]:
    """(types of shards.parquet, columns that may be missing)."""
    import pyarrow as pa

    optional = {"state": pa.string(), "num_quarantined": pa.int64()}
    whole = dict.fromkeys(("num_samples", "num_elements", "bytes", "first_row"), pa.int64())
    return {"shard": pa.string(), "checksum": pa.string(), **whole, **optional}, frozenset(optional)


def check_table(table: pa.Table) -> None:
    """Refuse rows that no index has (ValueError): with nulls, or with texts that would not fit into memory."""
    check_nulls(table)
    check_texts(table)


def _texts(table: pa.Table, name: str) -> list[str]:
    """A column of texts; equal ones share their memory."""
    texts: list[str] = []
    for chunk in table.column(name).chunks:
        known = chunk.dictionary.to_pylist()
        texts += [known[number] for number in chunk.indices.to_pylist()]
    return texts


def check_texts(table: pa.Table) -> None:
    """Refuse texts that no index has (ValueError): one long one in a dictionary may stand for all rows."""
    import pyarrow as pa

    for name in {"key", "kind", "codec", "member_ext", "shard", "checksum", "state"}.intersection(table.column_names):
        for array in table.column(name).chunks:
            texts = array.values if pa.types.is_list(array.type) else array
            texts = texts.dictionary if pa.types.is_dictionary(texts.type) else texts
            if name == "shard" and pa.types.is_integer(texts.type):
                continue  # of index.parquet: a number
            if not pa.types.is_string(texts.type):
                raise ValueError(f"{name} should hold texts, holds {array.type}")
            ends = np.frombuffer(texts.buffers()[1] or b"", np.int32)[texts.offset :][: len(texts) + 1]
            longest = int(np.diff(ends).max(initial=0))
            if longest > MAX_KEY_BYTES:
                raise ValueError(f"{name} holds a text of {longest} bytes, the limit is {MAX_KEY_BYTES}")


def check_row_counts(source: Source, file: str, metadata: Any) -> None:
    rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    rows += [metadata.num_rows] if file == SHARDS_FILE else []
    wrong = next((count for count in rows if not 0 <= count <= _MAX_ROWS), None)
    if wrong is not None:
        raise DatasetError(f"{source.url}/{file}: claims {wrong} rows, the limit is {_MAX_ROWS}; {REBUILD}")


def check_fit(source: Source, dataset: dict[str, Any], shards: ShardTable, parquet: Any) -> None:
    # Other tools that write the file anew may leave the checksum out, and older versions of this code had none.
    said, held = dataset.get("index_content"), (parquet.metadata.metadata or {}).get(CONTENT.encode())
    if said is not None and held is not None and held.decode("ascii", "replace") != said:
        raise DatasetError(
            f"{source.url}/{INDEX_FILE}: is of another version than {DATASET_FILE} beside it; the dataset is being "
            "indexed again just now, so start again in a moment, or these are files of two copies: copy them again"
        )
    expect(source, INDEX_FILE, "the number of rows", parquet.metadata.num_rows, dataset["num_samples"])
    has_gops = not set(KEY_FRAME_COLUMNS).isdisjoint(parquet.schema_arrow.names)
    expected = index_schema(has_gops)
    try:
        check_types(parquet.schema_arrow, dict(zip(expected.names, expected.types, strict=True)))
    except ColumnError as error:
        raise DatasetError(f"{source.url}/{INDEX_FILE}: {error}; {REBUILD}") from error
    sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.metadata.num_row_groups)]
    ends = np.cumsum(sizes, dtype=np.int64)
    borders = np.append(np.cumsum(shards.num_samples), -1)
    inside = ends[borders[np.searchsorted(borders[:-1], ends)] != ends].tolist()  # np.setdiff1d takes 30 ms to import
    expect(source, INDEX_FILE, "the list of row groups that end inside a shard", inside, [])


def expect(source: Source, file: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise DatasetError(f"{source.url}/{file}: {what} is {found}, expected {expected}; {REBUILD}")
