"""The keys of a dataset that is being written: no key twice.

Memory: about 100 bytes a sample, for a hash of the key; a key whose hash is known is compared with the keys themselves,
which are read from the record of its shard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache


class KeyTable:
    """The shard of every key. read_keys: shard number -> its keys, in the order of its samples."""

    def __init__(self, read_keys: Callable[[int], Sequence[str]]) -> None:
        self._shard_of_hash: dict[int, int] = {}

        @lru_cache(maxsize=16)
        def samples(shard: int) -> dict[str, int]:
            return {key: sample for sample, key in enumerate(read_keys(shard))}

        self._samples = samples

    def add(self, key: str, shard: int) -> None:
        self._shard_of_hash[_hash(key)] = shard

    def find(self, key: str, open_shard: int, open_keys: Iterable[str]) -> tuple[int, int] | None:
        """(shard, sample) that has the key already. open_keys: of the shard that is being written."""
        shard = self._shard_of_hash.get(_hash(key))
        if shard is None:
            return None
        if shard == open_shard:
            sample = next((sample for sample, other in enumerate(open_keys) if other == key), None)
        else:
            sample = self._samples(shard).get(key)
        # None: another key has the same hash of 64 bits.
        return None if sample is None else (shard, sample)


def _hash(key: str) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(key.encode())
