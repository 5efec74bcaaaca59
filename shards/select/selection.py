"""A selection: the samples of one dataset that `where` and `exclude` leave, as counts per shard and a lookup inside.

Promises: it changes how many elements each shard has, and nothing else of the order. An element keeps the row number
that it has in the whole shard, so origins, errors and the ledger mean the same with and without a selection. Counts
are computed once, a row group of the index at a time, and cached by (data, expression, excluded samples) under
$XDG_CACHE_HOME/mcg-streams or ~/.cache/mcg-streams; several processes may do so at once, and a cache that cannot be
used is only logged. Inside a shard the mask is computed when the shard is first asked for; the last used are kept.
Threads may share a Selection. Gives up: nothing is written beside the data, so every machine makes its own counts.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from shards.base.errors import DatasetError
from shards.base.printing import logger
from shards.dataset.index.member_columns import MemberColumns
from shards.dataset.index.shard_table import ShardTable
from shards.dataset.members.rules import MemberRules
from shards.order.order import Int64
from shards.select.exclusion import Exclusions, read_exclusions
from shards.select.where import STRINGS, Mask, Where, parse_where

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logger(__name__)
_SECONDS_BETWEEN_WORDS = 10.0


class Located(Protocol):
    """Whatever lies at a place."""

    @property
    def url(self) -> str: ...


class SelectionIndex(Protocol):
    """What a selection needs to know of a dataset; `Index` says more."""

    @property
    def source(self) -> Located: ...
    @property
    def dataset(self) -> Mapping[str, Any]:
        """With the name of the dataset."""

    @property
    def shards(self) -> ShardTable: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def rules(self) -> MemberRules: ...
    def layout_digest(self) -> str: ...
    def columns(self, shard: int, names: Sequence[str]) -> pa.Table: ...
    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]: ...


class _ShardLookup(NamedTuple):
    """The selected samples of a shard: element e is of sample i = first with e < ends[i], in row e + shift[i]."""

    ends: Int64
    shift: Int64


class Selection:
    """The selected samples of an index."""

    rows_kept = 1 << 21
    """Most selected samples that are kept of the shards that were used last, 16 bytes each."""

    def __init__(
        self,
        name: str,
        index: SelectionIndex,
        where: Where | None,
        exclusions: Exclusions,
        elements: Literal["record", "sample"],
        cache: Path | None = None,
    ) -> None:
        """cache: a folder for counts, None for the user's. Raises ValueError when nothing is left."""
        import xxhash

        self._name = name
        self._index = index
        self._where = where
        self._exclusions = exclusions
        self._by_record = elements == "record"
        folder = cache if cache is not None else _cache_folder()
        content = json.dumps([where.spelling if where else "", exclusions.digest()])
        address = json.dumps([index.fingerprint, index.layout_digest(), content, *index.rules.media])
        self._file = folder / f"{xxhash.xxh3_128_hexdigest(address.encode())}.npy"
        counts = _read_cache(self._file, index)
        if counts is None:
            counts = self._count()
            _write_cache(self._file, counts)
        if len(index.shards) and not counts[0].any():
            raise ValueError(self._nothing_left())
        self.num_samples = int(counts[0].sum())
        self.counts: Int64 = counts[1] if self._by_record else counts[0]
        """(S,) selected elements of each shard."""
        self._content, self._all_counts = content.encode(), counts
        self._kept: OrderedDict[int, _ShardLookup] = OrderedDict()
        self._rows_held = 0
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """The digest of all shards."""
        return self.digest_of(len(self.counts))

    def digest_of(self, num_shards: int) -> str:
        """8 hexadecimal digits over the expression, the excluded samples and the counts of the first shards."""
        import xxhash

        counts = np.ascontiguousarray(self._all_counts[:, :num_shards])
        return xxhash.xxh3_64_hexdigest(self._content + counts.tobytes())[:8]

    def row(self, shard: int, number: int) -> int:
        """The row, in the whole shard, of its selected element `number`."""
        with self._lock:
            lookup = self._kept.get(shard)
            if lookup is None:
                lookup = self._kept[shard] = self._look_up(shard)
                self._rows_held += len(lookup.ends)
                while self._rows_held > self.rows_kept and len(self._kept) > 1:
                    self._rows_held -= len(self._kept.popitem(last=False)[1].ends)
            else:
                self._kept.move_to_end(shard)
        sample = int(np.searchsorted(lookup.ends, number, side="right"))
        return number + int(lookup.shift[sample])

    def _look_up(self, shard: int) -> _ShardLookup:
        table = self._index.columns(shard, self._physical)
        kept = np.flatnonzero(self._mask(table, shard, shard + 1))
        size = _records(table) if self._by_record else np.ones(table.num_rows, np.int64)
        first = np.cumsum(size) - size
        ends = np.cumsum(size[kept])
        found, expected = int(ends[-1]) if len(ends) else 0, int(self.counts[shard])
        if found != expected:
            raise DatasetError(
                f"{self._index.source.url}: the selection has {found} elements in {self._index.shards.names[shard]}, "
                f"{expected} were counted; the index was changed behind this loader's back, or {self._file} is wrong: "
                "remove that file and start again"
            )
        return _ShardLookup(ends, first[kept] - (ends - size[kept]))

    @property
    def _physical(self) -> list[str]:
        """The columns of index.parquet that a mask needs."""
        names = {"key"} if len(self._exclusions) else set()
        for name in self._where.columns if self._where is not None else ():
            names |= {"member_ext", "member_size"} if name == "media_bytes" else {name} - {"shard"}
        return sorted(names | {"num_records"})

    def _mask(self, table: pa.Table, first: int, stop: int) -> Mask:
        """(n,) True for each selected sample among the rows of shards first..stop."""
        masks = [mask for _, mask in self._masks(table, first, stop)]
        return np.logical_and.reduce(masks) if masks else np.ones(table.num_rows, bool)

    def _masks(self, table: pa.Table, first: int, stop: int) -> list[tuple[str, Mask]]:
        """(what it is, mask) of each part of the selection."""
        shards = self._index.shards
        members = list(zip(shards.names[first:stop], shards.num_samples[first:stop].tolist(), strict=True))
        masks: list[tuple[str, Mask]] = []
        if self._where is not None:
            columns = {name: _column(table, name, members, self._index.rules) for name in self._where.columns}
            masks = [(part.text, part.mask(columns)) for part in self._where.parts]
        if len(self._exclusions):
            keys = table.column("key").combine_chunks()
            masks.append((f"exclude ({len(self._exclusions)} samples)", ~self._exclusions.mask(keys, members)))
        return masks

    def _count(self) -> Int64:
        """(2, S) selected samples and their records, per shard."""
        shards = self._index.shards
        unknown = sorted(set(self._exclusions.shards) - set(shards.names))
        if unknown:
            _logger.warning(
                "%s: exclude names %d shards that are not here, e.g. %s",
                self._index.source.url,
                len(unknown),
                unknown[0],
            )
        counts = np.zeros((2, len(shards)), np.int64)
        done, spoke = 0, time.monotonic()
        for first, stop, table in self._index.scan(self._physical):
            mask = self._mask(table, first, stop)
            shard = np.repeat(np.arange(stop - first), shards.num_samples[first:stop])[mask]
            counts[0, first:stop] = np.bincount(shard, minlength=stop - first)
            counts[1, first:stop] = np.bincount(shard, _records(table)[mask], minlength=stop - first)
            done += table.num_rows
            if time.monotonic() - spoke > _SECONDS_BETWEEN_WORDS:
                spoke = time.monotonic()
                _logger.info(
                    "%s: selecting, %d of %d samples seen", self._index.source.url, done, shards.num_samples.sum()
                )
        return counts

    def _nothing_left(self) -> str:
        left: dict[str, int] = {}
        for first, stop, table in self._index.scan(self._physical):
            for what, mask in self._masks(table, first, stop):
                left[what] = left.get(what, 0) + int(mask.sum())
        alone = ", ".join(f"{what}: {count}" for what, count in left.items())
        what = f"where {self._where.text!r}" if self._where is not None else "exclude"
        total = int(self._index.shards.num_samples.sum())
        where = f"dataset {self._name!r} at {self._index.source.url}"
        return f"{where}: {what} leaves none of {total} samples; each part alone leaves: {alone}"


def open_selection(
    index: SelectionIndex, name: str, where: str | None, exclude: Sequence[str], elements: Literal["record", "sample"]
) -> Selection | None:
    """The selection that the fields of a dataset's config describe (shards/loader/config.py); None: all samples."""
    if where is None and not exclude:
        return None
    parsed = parse_where(where) if where is not None else None
    exclusions = read_exclusions(exclude, {name, index.dataset["name"]})
    return Selection(name, index, parsed, exclusions, elements)


# ---------------------------------------------------------------- columns


def _column(table: pa.Table, name: str, shards: Sequence[tuple[str, int]], rules: MemberRules) -> Any:
    """One value per sample as `Where.mask` takes it. Whole numbers become float64, so that products do not overflow."""
    import pyarrow as pa

    if name == "shard":
        names = pa.array([shard for shard, _ in shards], pa.string())
        return names.take(pa.array(np.repeat(np.arange(len(shards)), [count for _, count in shards])))
    if name == "media_bytes":
        return _media_bytes(table, rules)
    column = table.column(name)
    if name in STRINGS:
        return pa.chunked_array(column.chunks, column.type).cast(pa.string()).combine_chunks()
    values = column.to_numpy()
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _media_bytes(table: pa.Table, rules: MemberRules) -> Any:
    """Size of the medium that a reader takes; 0 where there is none."""
    members = MemberColumns(table)
    medium = members.chosen(rules)[0]
    there = medium >= 0
    size = np.zeros(table.num_rows)
    size[there] = members.numbers("member_size")[medium[there]]
    return size


def _records(table: pa.Table) -> Int64:
    """Text records of each sample; an index made from headers alone says -1 where it does not know."""
    return np.maximum(table.column("num_records").to_numpy().astype(np.int64), 0)


# ---------------------------------------------------------------- cache


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "mcg-streams" / "selections"


def _read_cache(file: Path, index: SelectionIndex) -> Int64 | None:
    """The counts, when they are there and whole: an array of numpy's, then 16 bytes XXH3_128 of it."""
    import xxhash

    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        _logger.warning("%s cannot be read (%s): counting anew", file, error)
        return None
    body, digest = data[:-16], data[-16:]
    if xxhash.xxh3_128_digest(body) != digest:
        _logger.warning("%s is damaged: counting anew", file)
        return None
    counts: Int64 = np.load(io.BytesIO(body), allow_pickle=False)
    if counts.shape != (2, len(index.shards)) or (counts < 0).any() or (counts[0] > index.shards.num_samples).any():
        _logger.warning("%s does not fit the index: counting anew", file)
        return None
    return counts


def _write_cache(file: Path, counts: Int64) -> None:
    """Appears whole or not at all, whoever else writes it."""
    import xxhash

    body = io.BytesIO()
    np.save(body, counts, allow_pickle=False)
    scratch = ""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=".", suffix=".part", dir=file.parent)
        with os.fdopen(handle, "wb") as part:
            part.write(body.getvalue() + xxhash.xxh3_128_digest(body.getvalue()))
        os.replace(scratch, file)
    except OSError as error:
        _logger.warning("%s cannot be written (%s): the selection is counted anew next time", file, error)
        if scratch:
            with suppress(OSError):
                os.unlink(scratch)
