"""The join of a side table with an index: which row of the table each sample has.

Rows belong to samples by (shard, key), without a column `shard` by key alone. Promises: rows whose shards come in the
order of the index, as our tools write them, are joined a row group of the index at a time, so that only numbers are
held of all rows; for other tables all keys are held meanwhile. A table of another dataset is refused; of a dataset that
has grown since, or of other samples besides, those that are here join, and the rest is counted in a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import SideTableError
from shards.base.printing import logger
from shards.dataset.index.shard_table import ShardTable
from shards.order.order import Int64
from shards.select.side_file import SideFile

if TYPE_CHECKING:
    import pyarrow as pa

Positions = NDArray[np.int32 | np.int64]
_logger = logger(__name__)


class JoinedIndex(Protocol):
    """What a join needs to know of an index."""

    @property
    def dataset(self) -> Any: ...
    @property
    def shards(self) -> ShardTable: ...
    @property
    def fingerprint(self) -> str: ...
    def scan(self, names: Sequence[str]) -> Iterator[tuple[int, int, pa.Table]]: ...


def join(file: SideFile, index: JoinedIndex) -> Positions:
    """(N,) the row of the table that each of the N samples of an index has; -1: none, its values are unknown.

    Raises SideTableError for a table of another dataset, one with two rows for a sample, or with keys that are null.
    """
    rows = _ByShard(file, index.shards) if file.has_shards else _ByKey(file)
    total = int(index.shards.num_samples.sum())
    positions: Positions = np.full(total, -1, np.int32 if file.num_rows < 1 << 31 else np.int64)
    start = 0
    for first, stop, table in index.scan(["key"]):
        keys = table.column("key").combine_chunks()
        positions[start : start + len(keys)] = rows.match(first, index.shards.num_samples[first:stop], keys)
        start += len(keys)
    _check_fit(file, index, positions)
    return positions


class _ByShard:
    """The rows of a table, sorted by the numbers of their shards."""

    def __init__(self, file: SideFile, shards: ShardTable) -> None:
        self._file = file
        number = _shard_numbers(file, shards)
        self._rows: Int64 | None = None
        self._keys: pa.Array | None = None
        # Rows of unknown shards (-1) count as beside those before them; `match` leaves them out.
        borders = np.maximum.accumulate(number) if len(number) else number
        if not ((number == borders) | (number < 0)).all():
            self._rows = np.argsort(number, kind="stable")
            self._keys = _all_keys(file).take(self._rows)
            number = borders = number[self._rows]
        self._number, self._borders = number, borders
        self._group: tuple[int, Any] = -1, None

    def match(self, first: int, num_samples: Int64, keys: pa.Array) -> Int64:
        """(n,) the rows of samples of some shards from shard `first` on, given by number of samples and by key."""
        import pyarrow.compute as pc

        low, high = np.searchsorted(self._borders, (first, first + len(num_samples))).tolist()
        number, found = self._number[low:high], self._keys_of(low, high)
        here = np.flatnonzero(number >= first)
        if len(here) < high - low:
            number, found = number[here], found.take(here)
        wanted = _joined(np.repeat(np.arange(first, first + len(num_samples)), num_samples), keys)
        values = _joined(number, found)
        if pc.count_distinct(values).as_py() < len(values):
            raise _twice(self._file, values, found)
        at = pc.index_in(wanted, value_set=values).fill_null(-1).to_numpy()
        rows = low + here if self._rows is None else self._rows[low + here]
        return np.where(at >= 0, rows[at], -1) if len(rows) else np.full(len(at), -1)

    def _keys_of(self, low: int, high: int) -> pa.Array:
        """The keys of sorted rows low..high."""
        import pyarrow as pa

        if self._keys is not None:
            return self._keys.slice(low, high - low)
        borders, parts = self._file.first_rows, [pa.array([], pa.large_string())]
        for group in range(int(np.searchsorted(borders, low, side="right")) - 1, len(borders) - 1):
            begin = int(borders[group])
            if begin >= high:
                break
            if self._group[0] != group:
                self._group = group, _texts(self._file, self._file.read(group, ["key"]), "key")
            inside = self._group[1].slice(max(0, low - begin))
            parts.append(inside.slice(0, high - max(low, begin)))
        return pa.concat_arrays(parts)


class _ByKey:
    """The rows of a table without shards: a key means the sample of every shard that has it."""

    def __init__(self, file: SideFile) -> None:
        import pyarrow.compute as pc

        self._keys = _all_keys(file)
        if pc.count_distinct(self._keys).as_py() < len(self._keys):
            raise _twice(file, self._keys, self._keys)

    def match(self, first: int, num_samples: Int64, keys: pa.Array) -> Int64:
        import pyarrow as pa
        import pyarrow.compute as pc

        del first, num_samples
        found: Int64 = pc.index_in(keys.cast(pa.large_string()), value_set=self._keys).fill_null(-1).to_numpy()
        return found


def _shard_numbers(file: SideFile, shards: ShardTable) -> NDArray[np.int32]:
    """(R,) the number of the shard of each row; -1 for one that the index does not have."""
    numbers = {name: number for number, name in enumerate(shards.names)}
    found = np.empty(file.num_rows, np.int32)
    start = 0
    for table in file.groups(["shard"]):
        names = table.column("shard").combine_chunks()
        if names.null_count:
            raise _lacking(file, "shard", names.null_count)
        names = names.dictionary_encode() if not hasattr(names, "dictionary") else names
        of_name = np.array([numbers.get(name, -1) for name in names.dictionary.to_pylist()], np.int32)
        if len(names):
            found[start : start + len(names)] = of_name[names.indices.to_numpy()]
        start += len(names)
    return found


def _all_keys(file: SideFile) -> pa.Array:
    import pyarrow as pa

    return pa.concat_arrays(
        [pa.array([], pa.large_string()), *(_texts(file, table, "key") for table in file.groups(["key"]))]
    )


def _texts(file: SideFile, table: pa.Table, name: str) -> pa.Array:
    import pyarrow as pa

    column = table.column(name)
    if column.null_count:
        raise _lacking(file, name, column.null_count)
    return column.cast(pa.large_string()).combine_chunks()


def _joined(shard: NDArray[Any], keys: pa.Array) -> pa.Array:
    """One text for each sample that holds the number of its shard and its key."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pa.array(shard).cast(pa.large_string())
    return pc.binary_join_element_wise(names, keys.cast(pa.large_string()), pa.scalar("/", pa.large_string()))


def _lacking(file: SideFile, name: str, count: int) -> SideTableError:
    return file.error(f"column {name!r} lacks {count} values (null); every row needs the {name} of its sample")


def _twice(file: SideFile, values: pa.Array, keys: pa.Array) -> SideTableError:
    codes = values.dictionary_encode().indices.to_numpy()
    number = int(np.flatnonzero(np.bincount(codes)[codes] > 1)[0])
    what = "(shard, key)" if file.has_shards else "key (there is no column 'shard')"
    return file.error(f"column 'key': two rows have the same {what}, e.g. {keys[number].as_py()!r}; keep one of them")


def _check_fit(file: SideFile, index: JoinedIndex, positions: Positions) -> None:
    """Refuse a table of another dataset, and tell of samples and rows that do not meet."""
    known = int((positions >= 0).sum())
    name, total = index.dataset["name"], len(positions)
    if total and not known:
        raise file.error(
            f"column 'key': none of its {file.num_rows} rows names a sample of dataset {name!r}"
            f"{_first_row(file)}; it is of another dataset, or its keys or shards are spelt otherwise"
        )
    origin = file.side_of
    elsewhere = file.num_rows - (known if file.has_shards else len(np.unique(positions[positions >= 0])))
    if origin is None or origin.fingerprint == index.fingerprint:
        if elsewhere or (origin is None and known < total):
            _logger.warning(
                "%s: %d of the %d samples of %r are not in it, their values are unknown; %d of its %d rows are of no "
                "sample here",
                file.name,
                total - known,
                total,
                name,
                elsewhere,
                file.num_rows,
            )
        return
    if origin.dataset != name:
        raise file.error(f"was made from dataset {origin.dataset!r}, this one is {name!r}; name a table of its own")
    grown = origin.fingerprint in index.shards.fingerprints() or (not elsewhere and known < total)
    if not grown:
        raise file.error(
            f"was made from dataset {name!r} with fingerprint {origin.fingerprint[:32]!r}, this one has "
            f"{index.fingerprint!r} and is no longer that one with more samples ({elsewhere} rows of the table are of "
            "no sample here); make the table again from this dataset"
        )
    _logger.warning(
        "%s: dataset %r has grown since it was made: %d of %d samples are not in it, and their values are unknown",
        file.name,
        name,
        total - known,
        total,
    )


def _first_row(file: SideFile) -> str:
    if not file.num_rows:
        return ""
    names = ["shard", "key"] if file.has_shards else ["key"]
    table = file.read(int(np.flatnonzero(np.diff(file.first_rows))[0]), names).slice(0, 1)
    return f" (the first is {':'.join(str(table.column(name)[0].as_py())[:100] for name in names)})"
