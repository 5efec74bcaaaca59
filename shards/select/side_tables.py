"""The side tables of one dataset, as its config uses them: columns for `where`, texts, and repeats of samples.

Promises: a name means one column: one that the index and a table have, or two tables, is refused where it is used. What
is used of the tables has a digest, shard by shard, which the cursor and the cache of counts keep; what is not used may
change. Threads may share it. Memory and time are those of docs/side_tables.md.
"""

from __future__ import annotations

import keyword
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import SideTableError, WhereError
from shards.dataset.parquet.memory import give_memory_back
from shards.order.order import Int64
from shards.select.captions import Captions
from shards.select.side_columns import NumberColumn, TextColumn, one_text
from shards.select.side_file import SideFile, shown_kind
from shards.select.side_join import JoinedIndex, Positions, join
from shards.select.side_settings import SideSettings, split_texts
from shards.select.text_blocks import TextCache
from shards.select.where import Where, parse_where
from shards.select.where_check import NUMBERS, STRINGS

MAX_REPEAT = 1000
"""Most times that a sample may stand in a pass."""
_OPERATORS = ("and", "or", "not", "in")


class SideTables:
    """The side tables of an index."""

    def __init__(self, index: JoinedIndex, settings: SideSettings, where: str | None) -> None:
        """Raises SideTableError, WhereError, SourceError."""
        self._index = index
        self._starts = np.concatenate([[0], np.cumsum(index.shards.num_samples)])
        self._cache = TextCache()
        self._tables: dict[str, tuple[SideFile, Positions]] = {}
        self._files = [self._open(path)[0] for path in dict.fromkeys(settings.side)]
        self.where = self._parse(where) if where is not None else None
        names = sorted(self.where.columns.difference(STRINGS, NUMBERS)) if self.where is not None else []
        self._columns = {name: self._column(name) for name in names}
        self.repeats: NDArray[np.int32] | None = None
        """(N,) how often each sample stands in a pass; None: once."""
        digests = {name: column.digests for name, column in self._columns.items()}
        if settings.repeat is not None:
            self.repeats, digests["repeat="] = self._read_repeats(settings.repeat)
        self.what_repeats = f"repeat {settings.repeat}"
        self.captions: Captions | None = None
        """None: samples have their own records."""
        if settings.texts is not None:
            path, column = split_texts(settings.texts)
            file, positions = self._open(path)
            self.captions = Captions(file, column, positions, index, settings.missing_texts, self._cache)
            digests[f"texts={settings.missing_texts}"] = self.captions.digests
        self._digests = digests
        self._tables.clear()  # what is not used needs no memory
        give_memory_back()

    @property
    def are_used(self) -> bool:
        """False if nothing of the tables changes which elements there are."""
        return bool(self._digests)

    def has(self, name: str) -> bool:
        """True for a column of a table that `where` uses."""
        return name in self._columns

    def column(self, name: str, first: int, stop: int) -> Any:
        """A column for the samples of shards first..stop, as `Where.mask` takes it."""
        column, samples = self._columns[name], slice(self._starts[first], self._starts[stop])
        if isinstance(column, NumberColumn):
            return column.values[samples]
        import pyarrow as pa

        return pa.array(column.values(samples.start, samples.stop), pa.string())

    def times(self, first: int, stop: int) -> Int64 | None:
        """(n,) how often the samples of shards first..stop stand in a pass; None: each once."""
        return None if self.repeats is None else self.repeats[self._starts[first] : self._starts[stop]].astype(np.int64)

    def digest_of(self, num_shards: int) -> str:
        """32 hexadecimal digits over the used values of the first shards."""
        import xxhash

        digest = xxhash.xxh3_128()
        for name, shards in sorted(self._digests.items()):
            digest.update(f"{len(name)} {name} ".encode())
            digest.update(b"".join(shards[:num_shards]))
        return digest.hexdigest()

    def _open(self, path: str) -> tuple[SideFile, Positions]:
        if path not in self._tables:
            file = SideFile(path)
            self._tables[path] = file, join(file, self._index)
        return self._tables[path]

    def _parse(self, where: str) -> Where:
        for file in self._files:
            for name in file.kinds:
                cannot = not name.isidentifier() or (keyword.iskeyword(name) and name not in _OPERATORS)
                if cannot and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", where):
                    raise file.error(
                        f"column {name!r} has a name that where cannot hold; rename it to letters, digits and _, as "
                        f"{_as_identifier(name)!r}"
                    )
        kinds = {name: kind for file in reversed(self._files) for name, kind in file.kinds.items()}
        try:
            parsed = parse_where(where, kinds)
        except WhereError as error:
            raise WhereError(f"{error}{self._where_from(where)}") from error
        for name in sorted(parsed.columns):
            self._owner(name, "where")
        return parsed

    def _where_from(self, where: str) -> str:
        """What the side tables hold under the names in an expression, for an error about it."""
        named = set(re.findall(r"\w+", where))
        found = [
            f"{name} holds {shown_kind(kind)} in {file.name}"
            for file in self._files
            for name, kind in file.kinds.items()
            if name in named
        ]
        return "".join(f"; {one}" for one in found[:4])

    def _owner(self, name: str, user: str) -> SideFile | None:
        """The only table with a column of this name; None for a column of the index, or of none."""
        owners = [file for file in self._files if name in file.kinds]
        others = ["the index"] * (name in STRINGS + NUMBERS) + [file.name for file in owners[1:]]
        if owners and others:
            raise owners[0].error(
                f"column {name!r} is in {' and '.join(others)}, too, and {user} uses that name; rename it in the table"
            )
        return owners[0] if owners else None

    def _column(self, name: str) -> NumberColumn | TextColumn:
        file = self._owner(name, "where")
        assert file is not None, f"{name} passed the check"
        positions, num_samples = self._positions(file), self._index.shards.num_samples
        if file.kinds[name] == "string":
            return TextColumn(file, name, positions, num_samples, self._cache, one_text)
        return NumberColumn(file, name, positions, num_samples)

    def _positions(self, file: SideFile) -> Positions:
        return next(positions for found, positions in self._tables.values() if found is file)

    def _read_repeats(self, name: str) -> tuple[NDArray[np.int32], list[bytes]]:
        file = self._owner(name, "repeat")
        if file is None:
            tables = "; ".join(f"{file.name} has {file.columns() or 'none'}" for file in self._files)
            raise SideTableError(f"repeat: no side table has a column {name!r}; {tables}")
        file.check_column(name, ("number",), "repeat")
        column = NumberColumn(file, name, self._positions(file), self._index.shards.num_samples)
        values = np.where(np.isnan(column.values), 1, column.values)
        wrong = np.flatnonzero((values < 0) | (values > MAX_REPEAT) | (values != np.floor(values)))
        if len(wrong):
            sample = int(wrong[0])
            shard = int(np.searchsorted(self._starts, sample, side="right")) - 1
            raise file.error(
                f"column {name!r} holds {values[sample]:g} for sample {sample - self._starts[shard]} of "
                f"{self._index.shards.names[shard]}, one of {len(wrong)} such values; repeat takes whole numbers from "
                f"0 to {MAX_REPEAT}"
            )
        return values.astype(np.int32), column.digests


def open_side_tables(index: JoinedIndex, settings: SideSettings, where: str | None) -> SideTables | None:
    """The side tables of a dataset; None if its config names none. Raises SideTableError, WhereError, SourceError."""
    if not settings.side and settings.texts is None:
        return None
    return SideTables(index, settings, where)


def _as_identifier(name: str) -> str:
    found = re.sub(r"\W+", "_", name).strip("_") or "value"
    return f"_{found}" if not found.isidentifier() or keyword.iskeyword(found) else found
