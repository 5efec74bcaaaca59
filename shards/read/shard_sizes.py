"""Shard sizes: before bytes of a shard are used, it must be there and have the size that the index knows."""

from __future__ import annotations

from shards.base.errors import ChangedFile, DatasetError, MissingFile
from shards.dataset.index.index import Index
from shards.dataset.index.shard_table import check_shard_size
from shards.storage.source import Range, Source


class ShardSizes:
    """Checks the size of each shard of a dataset once in a process."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._checked = bytearray(len(index.shards))

    def read_many(self, source: Source, shards: list[int], ranges: list[Range]) -> list[bytes]:
        """Ranges of these shards. Raises DatasetError for a shard that is not what the index knows, SourceError."""
        # Read first: a store tells the size of a file with the first range of it, so the check costs no request.
        try:
            data = source.read_many(ranges)
        except ChangedFile as error:
            raise DatasetError(str(error)) from error
        except MissingFile:
            self._check(source, shards)  # its error names the shard and says what to do
            raise
        self._check(source, shards)
        return data

    def _check(self, source: Source, shards: list[int]) -> None:
        due = [shard for shard in shards if not self._checked[shard]]
        if not due:
            return
        names = [self._index.shards.names[shard] for shard in due]
        try:
            sizes = [stat.size for stat in source.stat_many(names, known=True)]
        except MissingFile as error:
            missing = next((name for name in names if _is_missing(source, name)), names[0])
            raise DatasetError(
                f"{source.url}/{missing}: the index lists this shard, but it is not there; "
                "copy it again from where the dataset is whole, or build the dataset again"
            ) from error
        for shard, name, found in zip(due, names, sizes, strict=True):
            check_shard_size(f"{source.url}/{name}", found, int(self._index.shards.bytes[shard]))
            self._checked[shard] = 1


def _is_missing(source: Source, name: str) -> bool:
    try:
        source.stat_many([name])
    except MissingFile:
        return True
    return False
