"""The datasets and the nodes of simulate_ranks.py: what is the project's own code there, and what stands for something.

Ours: the order, the look-ahead, the want lists, the choice of the next request, reservation, checksums, eviction and
reading of the cache, on real files with real locks. Stand-ins: the store answers from memory at once; one byte stands
for 1 MiB, in shards, limits and parts of shards alike; an element has four of them, and they are its number; the index
is made up. The threads of `Downloads` are left out: the simulation takes their work from it one request after the
other, rank after rank, as far as a node's line carries in a step, so that it needs no clock and always ends the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import xxhash

from shards.cache.cached_source import CachedSource
from shards.cache.downloads import Downloads
from shards.cache.shard_cache import ShardCache
from shards.dataset.index.shard_table import ShardTable, fingerprint
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.feed import Feed, open_order
from shards.loader.lookahead import LookAhead
from shards.order.plan import RunPosition
from shards.storage.source import Names, Pieces, Range, Stat

Int64 = npt.NDArray[np.int64]

ELEMENT_BYTES = 4
"""Each stands for 1 MiB."""
_PART_BYTES, _CONNECTIONS = 8, 8
"""The defaults of a cache."""


class VirtualDataset:
    """A dataset of which nothing exists but the numbers of its elements, and the store that gives them."""

    def __init__(self, config: DatasetConfig, num_shards: int, shard_elements: int) -> None:
        """shard_elements: on average; shards have half of it to one and a half times as many."""
        self.config = config
        spread = np.random.default_rng(num_shards).permutation(num_shards) / max(1, num_shards - 1) - 0.5
        self.counts: Int64 = np.maximum(1, np.round(shard_elements * (1 + spread))).astype(np.int64)
        self.first: Int64 = np.cumsum(self.counts) - self.counts
        self._content = np.arange(self.counts.sum(), dtype="<u4").tobytes()
        names = [f"{number:06d}.tar" for number in range(num_shards)]
        self._numbers = dict(zip(names, range(num_shards), strict=True))
        checksums = [xxhash.xxh3_128_hexdigest(self._shard(name)) for name in names]
        self.shards = ShardTable(names, self.counts, self.counts, self.counts * ELEMENT_BYTES, checksums, self.first)
        self.sizes = dict(zip(names, zip(self.shards.bytes.tolist(), checksums, strict=True), strict=True))
        self.fingerprint = fingerprint(self.shards.entries())

    def feed(self, config: LoaderConfig, cache: CachedSource | None = None) -> Feed:
        """The dataset as a loader has it, with an order made anew."""
        order, streams, window = open_order(self.counts, self.shards.bytes << 20, self.config, config)
        reader = cast(Any, SimpleNamespace(index=SimpleNamespace(shards=self.shards), cache=cache))
        return Feed(
            *(self.config, reader, order, streams, window, self.counts),
            num_shards=len(self.shards),
            fingerprint=self.fingerprint,
        )

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Bytes of a shard."""
        return self._shard(name)[offset : offset + length]

    def _shard(self, name: str) -> memoryview | bytes:
        number = self._numbers[name]
        start = int(self.first[number]) * ELEMENT_BYTES
        return self._content[start : start + int(self.counts[number]) * ELEMENT_BYTES]


class VirtualStore:
    """The store as one node sees it: a Source that counts."""

    def __init__(self, dataset: VirtualDataset) -> None:
        self._dataset = dataset
        self.url = dataset.config.path
        self.requests = self.bytes = 0

    def list(self, suffix: str = "") -> Names:
        return [name for name in self._dataset.shards.names if name.endswith(suffix)]

    def stat(self, name: str) -> Stat:
        return Stat(self._dataset.sizes[name][0], "")

    def stat_many(self, names: Sequence[str], known: bool = False) -> list[Stat]:
        return [self.stat(name) for name in names]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        data = self._dataset.read(name, offset, self.stat(name).size if length is None else length)
        self.requests += 1
        self.bytes += len(data)
        return data

    def read_many(self, ranges: Sequence[Range]) -> Pieces:
        return [self.read(*range_) for range_ in ranges]


class SteppedDownloads(Downloads):
    """The downloads of a rank without their threads: each call of `step` makes one request."""

    def __init__(self, cache: ShardCache, node: VirtualNode) -> None:
        super().__init__(cache, _CONNECTIONS, _PART_BYTES)
        self._node, self._may_take = node, False
        # A reader that waits has all ranks of the node go on by one request.
        self.changed.wait = self._wait  # type: ignore[method-assign]

    def step(self) -> None:
        """Make the request that is due next; nothing if there is none."""
        for list_ in self._lists:
            for wanted in list_.wanted.values():
                wanted.due = 0.0  # no clock runs: what another rank brings is looked at again at every step
        self._may_take = True
        self._run()

    def _start(self) -> None:
        pass

    def _next(self) -> Any:
        if not self._may_take or not (self._dropped or any(True for _ in self._open(1.0))):
            return None
        work = super()._next()
        self._may_take = work[2] is None  # to look for a shard, or for room, is no request
        return work

    def _wait(self, timeout: float | None = None) -> bool:
        self._node.wait()
        return True


class VirtualNode:
    """The ranks of one node: their look-ahead, their downloads, and the cache that they share.

    Its environment must name the ranks of a node: LOCAL_WORLD_SIZE.
    """

    def __init__(
        self, datasets: Sequence[VirtualDataset], config: LoaderConfig, ranks: range, world_size: int, line: int
    ) -> None:
        """line: bytes that the node brings in a step. Raises ValueError where the cache is too small to be accepted."""
        assert config.cache is not None
        self.ranks, self._datasets, self._line = ranks, datasets, line
        self._stores = [VirtualStore(dataset) for dataset in datasets]
        self._downloads: list[SteppedDownloads] = []
        self._sources: list[list[CachedSource]] = []
        self._ahead: list[LookAhead] = []
        self.used = self.late = self.steps = 0
        """Bytes of the elements that were read; steps of ranks that had to wait for bytes, and all of them."""
        self.lost = 0.0
        """Steps in which the line could have brought what came while ranks waited."""
        self._in_vain = 0
        for rank in ranks:
            downloads = SteppedDownloads(ShardCache(Path(config.cache.folder), config.cache.limit), self)
            sources = [
                CachedSource(store, downloads, dataset.sizes)
                for store, dataset in zip(self._stores, datasets, strict=True)
            ]
            feeds = [dataset.feed(config, source) for dataset, source in zip(datasets, sources, strict=True)]
            self._ahead.append(LookAhead(config, feeds, rank, world_size))
            self._downloads.append(downloads)
            self._sources.append(sources)

    def step(self, place: RunPosition, parts: Sequence[tuple[Int64, Int64, Int64]]) -> None:
        """A step at a place; parts: (dataset, shard, row) of the elements of each rank. Raises AssertionError where a
        byte that is read is not that of its element."""
        for ahead in self._ahead:
            ahead.update(place)
        before = self.bytes
        while self.bytes - before < self._line:
            if not self.go_on():
                break
        for sources, (dataset, shard, row) in zip(self._sources, parts, strict=True):
            before = self.lost
            for number in np.unique(dataset).tolist():
                here = dataset == number
                self._read(number, sources[number], shard[here], row[here])
            self.late += self.lost > before
            self.steps += 1

    def go_on(self) -> bool:
        """Every rank makes one request; False if there was none to make."""
        before = self.requests
        for downloads in self._downloads:
            downloads.step()
        self._in_vain = 0 if self.requests > before else self._in_vain + 1
        return not self._in_vain

    def wait(self) -> None:
        """A rank waits for bytes. Raises RuntimeError where it would wait for ever."""
        before = self.bytes
        self.go_on()
        self.lost += (self.bytes - before) / self._line
        if self._in_vain > 2:
            raise RuntimeError(f"ranks {self.ranks} wait for bytes that nobody brings")

    def close(self) -> None:
        """End as a process that is stopped: what is whole stays in the cache."""
        for sources, downloads in zip(self._sources, self._downloads, strict=True):
            for source in sources:
                source.close()
            downloads.close()

    @property
    def bytes(self) -> int:
        """Bytes that came from the store."""
        return sum(store.bytes for store in self._stores)

    @property
    def requests(self) -> int:
        """Requests that the store answered."""
        return sum(store.requests for store in self._stores)

    def snapshot(self) -> dict[str, float]:
        """All counters."""
        counts = [downloads.snapshot() for downloads in self._downloads]
        summed = {name: sum(count[name] for count in counts) for name in counts[0] if name != "evictions"}
        own = {name: getattr(self, name) for name in ("bytes", "requests", "used", "late", "steps", "lost")}
        return summed | own | {"evictions": sum(count["evictions"] for count in counts)}

    def _read(self, number: int, source: CachedSource, shard: Int64, row: Int64) -> None:
        dataset = self._datasets[number]
        names = dataset.shards.names
        offsets = (row * ELEMENT_BYTES).tolist()
        ranges = [(names[s], offset, ELEMENT_BYTES) for s, offset in zip(shard.tolist(), offsets, strict=True)]
        found = np.frombuffer(b"".join(source.read_many(ranges)), "<u4")
        assert (found == dataset.first[shard] + row).all(), f"{source.url}: bytes of other elements"
        self.used += found.nbytes


class Announced:
    """The shards that the look-ahead of the first node wants for the first pass, without a cache.

    Its environment must name the ranks of a node: LOCAL_WORLD_SIZE.
    """

    def __init__(
        self, datasets: Sequence[VirtualDataset], config: LoaderConfig, num_local: int, world_size: int
    ) -> None:
        self._datasets = datasets
        self._names: list[set[str]] = [set() for _ in datasets]
        caches = [cast(Any, SimpleNamespace(want=lambda *_: None)) for _ in datasets]
        self._feeds = [dataset.feed(config, cache) for dataset, cache in zip(datasets, caches, strict=True)]
        self._weights = sum(feed.config.weight for feed in self._feeds)
        self._ahead = [LookAhead(config, self._feeds, rank, world_size) for rank in range(num_local)]
        for number, cache in enumerate(caches):
            cache.want = lambda names, *_, number=number: self._note(number, names)
        self._left: list[float] = []

    def step(self, place: RunPosition) -> None:
        """A step at a place."""
        self._left = [
            (feed.order.num_elements - position) * self._weights / feed.config.weight
            for feed, position in zip(self._feeds, place.positions, strict=True)
        ]
        for ahead in self._ahead:
            ahead.update(place)

    def _note(self, number: int, names: Sequence[str]) -> None:
        """Note the shards of a list; those that are not used before the next pass are left out."""
        next_use, left = cast(Any, self._feeds[number].reader).cache.next_use, self._left[number]
        self._names[number].update(name for name in names if next_use(name) < left)

    @property
    def bytes(self) -> int:
        """Bytes of the shards that were wanted so far."""
        return sum(
            dataset.sizes[name][0] for dataset, names in zip(self._datasets, self._names, strict=True) for name in names
        )
