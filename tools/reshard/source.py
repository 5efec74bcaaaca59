"""The datasets that are rearranged: their samples with all that the index knows of each, shard by shard.

Promises: nothing but the index is read here, a shard's rows at a time; where-expressions and exclusion lists are those
of loaders. Datasets whose samples are made by other rules are refused, as one dataset has one set of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shards.base import WrongPlace, shown
from shards.dataset import Index, MemberRules, index_schema
from shards.select import Selection, open_selection
from shards.storage import Source as Folder
from shards.storage import open_source

if TYPE_CHECKING:
    import pyarrow as pa

PrefixBy = Literal["dataset", "shard", "both"]


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset, and the samples of it that are taken."""

    number: int
    index: Index
    selection: Selection | None
    """None: all samples."""
    prefix_by: PrefixBy | None

    @property
    def name(self) -> str:
        return str(self.index.dataset["name"])

    @property
    def url(self) -> str:
        return self.index.source.url

    @property
    def folder(self) -> Folder:
        """The source of its shards."""
        return self.index.shard_source

    @property
    def num_samples(self) -> int:
        return int(self.index.dataset["num_samples"])

    @property
    def num_taken(self) -> int:
        """Samples that `where` and the exclusion lists leave."""
        return self.num_samples if self.selection is None else self.selection.num_samples

    @property
    def num_quarantined(self) -> int:
        """Samples that its own making left out; their reasons stay there."""
        return int(self.index.dataset.get("num_quarantined") or 0)

    def prefix(self, shard: int) -> str:
        """The text that is put before the keys of a shard."""
        parts = {"dataset": [self.name], "shard": [self._stem(shard)], "both": [self.name, self._stem(shard)]}
        return "".join(f"{_as_key(part)}-" for part in parts[self.prefix_by]) if self.prefix_by else ""

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """(shard, all columns of the rows that are taken of it), for each shard that has some."""
        import numpy as np
        import pyarrow as pa

        schema = index_schema(key_frames=True)
        for shard, count in enumerate(self.index.shards.num_samples.tolist()):
            taken = None if self.selection is None else int(self.selection.counts[shard])
            if not (count if taken is None else taken):
                continue
            table = self.index.table(shard)
            if taken is not None:
                assert self.selection is not None
                table = table.take(np.array([self.selection.row(shard, number) for number in range(taken)]))
            for name in schema.names:
                if name not in table.column_names:  # GOP tables, which an index may lack
                    table = table.append_column(name, pa.nulls(table.num_rows, schema.field(name).type))
            yield shard, table.select(schema.names).cast(schema)

    def provenance(self) -> dict[str, Any]:
        """What is told of this dataset in the one that is made of it, with its own provenance."""
        dataset = self.index.dataset
        # Without checksums two datasets whose members have equal sizes have the same fingerprint.
        place = {} if self.index.verified else {"place": self.url}
        counts = {"num_samples": self.num_samples, "num_quarantined": self.num_quarantined}
        chosen = {} if self.selection is None else {"selected": self.selection.digest}
        said = {"name": self.name, "fingerprint": self.index.fingerprint, **place, **counts, **chosen}
        return {**said, "provenance": dataset.get("provenance")}

    def _stem(self, shard: int) -> str:
        return self.index.shards.names[shard].rpartition(".")[0]


def open_sources(
    urls: Sequence[str],
    where: str | None = None,
    exclude: Sequence[str] = (),
    prefix_by: PrefixBy | None = None,
    roots: Sequence[str] = (),
) -> list[Source]:
    """Open datasets. Raises WrongPlace for those that do not go together; DatasetError, SourceError, WhereError."""
    opened = [Index.open(open_source(url, roots), roots) for url in urls]
    first = opened[0]
    for url, index in zip(urls, opened, strict=True):
        if index.rules != first.rules:
            raise WrongPlace(
                f"{shown(url)}: its samples are made by other rules ({_spelled(index.rules)}) than those of "
                f"{shown(urls[0])} ({_spelled(first.rules)}), and one dataset has one set of rules; index the tars of "
                "both with the same options, or keep them apart and blend them"
            )
    names = [str(index.dataset["name"]) for index in opened]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None and prefix_by in ("dataset", "both"):
        raise WrongPlace(
            f"--prefix {prefix_by}: two of the datasets are called {twice!r}; index one under another name"
        )
    return [
        Source(number, index, open_selection(index, name, where, exclude, "sample"), prefix_by)
        for number, (index, name) in enumerate(zip(opened, names, strict=True))
    ]


def _as_key(text: str) -> str:
    """A text as it may stand in a key: no dot, slash or space, no underscore at its begin."""
    return re.sub(r"[^\w-]", "-", text).lstrip("_") or "x"


def _spelled(rules: MemberRules) -> str:
    return rules.options() or "no options"
