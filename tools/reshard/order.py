"""The samples in the order in which they are written, with memory for some ten thousand of them.

Promises: without a seed the order of the datasets, their shards and rows; with one, that of a hash of (seed, key),
which depends on nothing else, so that any set of datasets with the same samples gives the same order. It is made by
sorting aside: rows go to files in the temporary folder by the first bits of their hash (about 200 bytes a sample), and
these are sorted one after the other. The split of a sample is decided by a hash of the key that it has in its source
alone, so the same key is in the same split of every dataset. No key twice: that is checked before anything is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base import WrongPlace
from shards.dataset import MemberRow, SampleRow
from shards.media import KeyFrames, MediaFacts
from shards.order import hash64, name_hash
from tools.reshard.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_FILE = 50_000
"""Rows that are sorted at once, about; they take some 20 MB."""
_MAX_FILES = 512
"""Files that are open at once."""
_AT_ONCE = 1000
"""Rows that are Python objects at once."""
_ORDER, _SPLIT = 1, 2
"""What a hash is for: the second number of its address."""
_FACTS = ("kind", "codec", "width", "height", "num_frames", "fps", "duration", "start_time")
_GOPS = ("key_frame", "key_frame_time", "key_frame_offset")
_MEMBERS = ("member_ext", "member_offset", "member_size", "member_checksum")


class Place(NamedTuple):
    """A sample to copy."""

    source: int
    shard: str
    prefix: str
    """To be put before its key and names."""
    row: SampleRow
    """Its row in the index of its source; key_frames None: its GOP table is not known."""


class Share(NamedTuple):
    """The share of all keys that one split takes: those whose hash, as a number from 0 to 1, lies between these."""

    low: float
    high: float


def places(sources: Sequence[Source], share: Share | None = None, seed: int | None = None) -> Iterator[Place]:
    """The samples of the sources in order. share: only those of this split. seed: shuffled by it."""
    tables = (table for source in sources for table in _tables(source, share))
    return _in_order(sources, tables) if seed is None else _shuffled(sources, tables, seed)


def count(sources: Sequence[Source], share: Share) -> int:
    """The number of samples of a split."""
    return sum(table.num_rows for source in sources for table in _tables(source, share))


def check_keys(sources: Sequence[Source]) -> None:
    """Refuse samples that would have one key. Raises WrongPlace with the places of two of them."""
    with tempfile.TemporaryDirectory(prefix="reshard-") as folder:
        total = sum(source.num_taken for source in sources)
        paths = [Path(folder) / str(number) for number in range(_num_files(total))]
        with ExitStack() as stack:
            files = [stack.enter_context(open(path, "wb")) for path in paths]
            for _, _, keys in _keys(sources):
                hashes = _hashes(0, keys)
                for number, rows in _by_file(hashes, len(files)):
                    files[number].write(hashes[rows].tobytes())
        twice: set[int] = set()
        for path in paths:
            values, counts = np.unique(np.fromfile(path, np.uint64), return_counts=True)
            twice.update(values[counts > 1].tolist())
    if not twice:
        return
    seen: dict[str, str] = {}
    for source, shard, keys in _keys(sources):
        for key, hashed in zip(keys, _hashes(0, keys).tolist(), strict=True):
            if hashed in twice:
                here = f"{source.url}/{source.index.shards.names[shard]}"
                if key in seen:
                    raise WrongPlace(
                        f"{here}: has key {key!r}, and so has {seen[key]}; {_remedy(sources, seen[key] != here)}"
                    )
                seen[key] = here


def _remedy(sources: Sequence[Source], other_shard: bool) -> str:
    prefix_by = sources[0].prefix_by
    if not other_shard or prefix_by == "both":
        return "leave one of them out with --exclude"
    wanted = "both" if len(sources) > 1 and prefix_by else "dataset" if len(sources) > 1 else "shard"
    return f"keys are unique in a dataset: put the names of datasets or shards before them, --prefix {wanted}"


def _keys(sources: Sequence[Source]) -> Iterator[tuple[Source, int, list[str]]]:
    """(source, shard, keys as they will be)."""
    for source in sources:
        for shard, table in source.tables():
            prefix = source.prefix(shard)
            yield source, shard, [prefix + key for key in table.column("key").to_pylist()]


def _tables(source: Source, share: Share | None) -> Iterator[pa.Table]:
    """The rows of a source that lie in a split, with columns for source and shard."""
    import pyarrow as pa

    for shard, table in source.tables():
        if share is not None:
            hashes = _hashes(_SPLIT, table.column("key").to_pylist())
            at = (hashes >> np.uint64(11)) / np.float64(2**53)  # below 1 for every hash
            table = table.filter(pa.array((at >= share.low) & (at < share.high)))
        if table.num_rows:
            for name, number in (("source", source.number), ("shard", shard)):
                column = pa.array(np.full(table.num_rows, number, np.int32))
                if name in table.column_names:
                    table = table.drop_columns([name])
                table = table.append_column(name, column)
            yield table


def _in_order(sources: Sequence[Source], tables: Iterator[pa.Table]) -> Iterator[Place]:
    return chain.from_iterable(_places(sources, table) for table in tables)


def _shuffled(sources: Sequence[Source], tables: Iterator[pa.Table], seed: int) -> Iterator[Place]:
    import pyarrow as pa

    total = sum(source.num_taken for source in sources)
    with tempfile.TemporaryDirectory(prefix="reshard-") as folder:
        paths = [Path(folder) / f"{number}.arrow" for number in range(_num_files(total))]
        with ExitStack() as stack:
            files: list[Any] = []
            for batch in _batches(tables):
                if not files:
                    schema = batch.schema.append(pa.field("order", pa.uint64()))
                    files = [stack.enter_context(pa.ipc.new_stream(str(path), schema)) for path in paths]
                prefixed = _prefixed(sources, batch)
                hashes = hash64(seed, _ORDER, _names(prefixed))
                batch = batch.append_column("order", pa.array(hashes))
                for number, rows in _by_file(hashes, len(files)):
                    files[number].write_table(batch.take(pa.array(rows)))
        for path in paths if files else ():
            with pa.ipc.open_stream(str(path)) as file:
                table = file.read_all()
            yield from _places(sources, table.sort_by([("order", "ascending"), ("key", "ascending")]))
            path.unlink()


def _prefixed(sources: Sequence[Source], table: pa.Table) -> list[str]:
    columns = (table.column(name).to_pylist() for name in ("source", "shard", "key"))
    return [sources[source].prefix(shard) + key for source, shard, key in zip(*columns, strict=True)]


def _batches(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Tables together, so that each file gets more than a few rows at once."""
    import pyarrow as pa

    pending: list[pa.Table] = []
    for table in tables:
        pending.append(table)
        if sum(each.num_rows for each in pending) >= ROWS_PER_FILE:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)


def _num_files(num_rows: int) -> int:
    return min(_MAX_FILES, 1 + num_rows // ROWS_PER_FILE)


def _by_file(hashes: NDArray[np.uint64], num_files: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(file, rows) of rows by their hashes, so that the files in their order hold rising hashes."""
    number = (hashes >> np.uint64(32)) * np.uint64(num_files) >> np.uint64(32)
    order = np.argsort(number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(num_files + 1, dtype=np.uint64))
    for file in range(num_files):
        if bounds[file] < bounds[file + 1]:
            yield file, order[bounds[file] : bounds[file + 1]]


def _hashes(purpose: int, keys: Sequence[str]) -> NDArray[np.uint64]:
    return hash64(purpose, _names(keys))


def _names(keys: Sequence[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(name_hash, keys), np.uint64, len(keys))


def _places(sources: Sequence[Source], table: pa.Table) -> Iterator[Place]:
    for start in range(0, table.num_rows, _AT_ONCE):
        part = table.slice(start, _AT_ONCE)
        columns: dict[str, list[Any]] = {name: part.column(name).to_pylist() for name in part.column_names}
        facts = zip(*(columns[name] for name in _FACTS), strict=True)
        gops = zip(*(columns[name] for name in _GOPS), strict=True)
        listed = zip(*(columns[name] for name in _MEMBERS), strict=True)
        plain = (columns[name] for name in ("source", "shard", "key", "num_records"))
        rows = zip(*plain, facts, gops, listed, strict=True)
        for source, shard, key, num_records, fact, gop, members in rows:
            found = tuple(map(MemberRow._make, zip(*members, strict=True)))
            key_frames = None if gop[0] is None else KeyFrames(*gop)
            row = SampleRow(key, found, num_records, MediaFacts(*fact), key_frames)
            yield Place(source, sources[source].index.shards.names[shard], sources[source].prefix(shard), row)
