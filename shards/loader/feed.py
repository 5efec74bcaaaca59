"""Feed: one opened dataset of a blend: its reader, its selection, its order, and what the cursor keeps of it.

Promises: a selection removes elements from shards, or gives them several copies by a column of a side table, and
`repeat` then multiplies the others; the copies of an element within one pass draw as if each were in a pass of its own.
An empty dataset is refused by name and path.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from shards.base.redact import shown
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.order.defaults import default_streams, default_window
from shards.order.order import ElementOrder, Int64, Order, Sequential
from shards.storage.addresses import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shards.cache.cached_source import CachedSource
    from shards.cache.downloads import Downloads
    from shards.read.fetched import Fetched
    from shards.read.sample import Origin, Sample, SampleError
    from shards.read.verified import Verify
    from shards.select.conditions import Located, SelectionIndex
    from shards.select.selection import Selection


class SampleReader(Protocol):
    """The reader as a loader uses it; `Reader` and `BetonReader` document the methods. Threads may share it."""

    @property
    def index(self) -> SelectionIndex: ...
    @property
    def source(self) -> Located:
        """The source of the samples."""

    @property
    def cache(self) -> CachedSource | None: ...
    @property
    def counts(self) -> Int64:
        """(S,) elements of each shard."""

    @property
    def fingerprint(self) -> str:
        """Identifies the samples; the cursor and the ledger keep it."""

    def fingerprints(self) -> Iterator[str]:
        """The fingerprints of the first shard only, of the first two, and so on."""

    def traffic(self) -> dict[str, float]: ...
    def origin(self, shard: int, row: int) -> Origin: ...
    def origin_of(self, shard: int, sample: int) -> Origin: ...
    def find(self, shards: npt.ArrayLike, rows: npt.ArrayLike) -> Any:
        """Where elements lie; the answer has `part(start, stop)`, for those of the elements alone."""

    def costs(self, found: Any) -> NDArray[np.float64] | None:
        """(n,) expected costs of decoding them, None where none is known."""

    def take(self, found: Any) -> list[Fetched | SampleError]: ...
    def sample(
        self, origin: Origin, shard: int, fetched: Fetched, draw: Callable[[], np.random.Generator]
    ) -> Sample: ...


@dataclass(frozen=True, slots=True)
class Feed:
    """One opened dataset."""

    config: DatasetConfig
    reader: SampleReader
    order: ElementOrder
    streams: int
    window: int
    """Elements."""
    counts: Int64
    """(S,) selected elements of each shard; copies by a whole number of `repeat` are not counted."""
    selection: Selection | None = None
    """None: every sample is used."""
    sample_bytes: int = 0
    """Mean bytes to fetch per sample."""
    num_shards: int = 0
    """Shards of a pass: the first ones of the dataset."""
    fingerprint: str = ""
    """Fingerprint of these shards."""
    shift: int = 0
    """Difference between a position of this run and the same one of a run that had all shards from its beginning."""
    earlier: Feed | None = None
    """The same dataset with fewer shards, used before position `join` (shards/loader/growth.py)."""
    join: int = 0

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def label(self) -> str:
        """The name with all that changes the elements, e.g. "cc/sample*2?1f0c88aa"; the cursor keeps it."""
        selected = "" if self.selection is None else f"?{self.selection.digest_of(self.num_shards)}"
        return self.config.label + selected

    def at(self, position: int) -> Feed:
        """The dataset as it is used at a position of the run."""
        return self.earlier if self.earlier is not None and position < self.join else self

    def is_as_saved(self, position: int) -> bool:
        """True if a position has the element that it had before the dataset has grown."""
        return self.earlier is None or position < self.join

    def progress(self, position: int) -> tuple[int, int, int]:
        """(whole passes, elements into the next one, elements of that pass)."""
        feed = self.at(position)
        size = feed.order.num_elements
        return *divmod(position + feed.shift, size), size

    def is_near(self, shards: Int64) -> bool:
        """True if these shards lie on this machine, as files of the dataset or as copies in the cache."""
        if not is_remote(self.reader.source.url):
            return True
        names = self.reader.index.shards.names
        return self.reader.cache is not None and self.reader.cache.are_here([names[shard] for shard in shards.tolist()])

    def unrepeat(self, pass_: Int64, shard: Int64, row: Int64) -> tuple[Int64, Int64]:
        """(passes to draw with, rows inside the whole shards) of elements as the order has them, (n,) each."""
        if self.config.copies > 1:
            copy, row = np.divmod(row, self.counts[shard])
            pass_ = pass_ * self.config.copies + copy
        if self.selection is not None:
            row, copies, times = self.selection.places(shard, row)
            if copies is not None and times is not None:
                pass_ = pass_ * times + copies
        return pass_, row


Weigh = Callable[[list[int]], Sequence[float]]
"""The elements of a pass of each dataset -> the weight of each in the blend."""


def open_feeds(config: LoaderConfig, downloads: Downloads | None = None, weigh: Weigh | None = None) -> list[Feed]:
    """Open the datasets of a loader; `weigh` takes the place of the weights of the config. Raises ValueError."""
    feeds = [open_feed(dataset, config, downloads) for dataset in config.blend]
    if weigh is None:
        return feeds
    weights = weigh([feed.order.num_elements for feed in feeds])
    return [
        replace(feed, config=feed.config.model_copy(update={"weight": weight}))
        for feed, weight in zip(feeds, weights, strict=True)
    ]


def open_feed(dataset: DatasetConfig, config: LoaderConfig, downloads: Downloads | None = None) -> Feed:
    """Open a dataset as the loader config wants it ordered. Raises ValueError when it has no elements.

    downloads: what brings shards into the cache, if the dataset is remote.
    """
    from shards.select.selection import open_selection  # loads pyarrow
    from shards.select.side_tables import open_side_tables

    reader = _open_reader(dataset, config.verify, downloads)
    tables = open_side_tables(reader.index, dataset.side_settings, dataset.where)
    if tables is not None and tables.captions is not None:
        from shards.read.reader import Reader

        assert isinstance(reader, Reader), "texts with another source are refused"
        reader.replace_texts(tables.captions)
    selection = open_selection(reader.index, dataset.name, dataset.where, dataset.exclude, dataset.elements, tables)
    counts = np.asarray(reader.counts if selection is None else selection.counts, dtype=np.int64)
    if not counts.sum():
        raise ValueError(
            f"dataset {dataset.name!r} at {shown(dataset.path)} has no elements ({len(counts)} shards); "
            "build it again (quarantine.jsonl there may say why there are none), or take it out of the config"
        )
    shards = reader.index.shards
    order, streams, window = open_order(counts, shards.bytes, dataset, config)
    sample_bytes = int(shards.bytes.sum()) // max(1, int(shards.num_samples.sum()))
    return Feed(
        dataset, reader, order, streams, window, counts, selection, sample_bytes, len(shards), reader.fingerprint
    )


def open_order(
    counts: Int64,
    num_bytes: Int64,
    dataset: DatasetConfig,
    config: LoaderConfig,
    saved: tuple[int, int] | None = None,
) -> tuple[ElementOrder, int, int]:
    """(order, streams, window) of a dataset. counts: as `Feed.counts`; num_bytes: the shards' bytes.

    saved: the streams and the window of a cursor, for those that the config leaves open.
    """
    repeated = counts * dataset.copies
    streams, window = config.streams, config.window
    if streams is None:
        streams = saved[0] if saved else default_streams(counts)
    if window is None:
        window = saved[1] if saved else default_window(repeated, int(num_bytes[counts > 0].sum()), streams)
    if config.mode == "train":
        return Order(repeated, config.seed, dataset.name, streams, window), streams, window
    return Sequential(counts, dataset.name), streams, window


def _open_reader(dataset: DatasetConfig, verify: Verify, downloads: Downloads | None) -> SampleReader:
    """The reader of a dataset; a remote one reads through the cache of these downloads."""
    if dataset.source == "ffcv":
        from shards.read.beton_reader import BetonReader

        return BetonReader(dataset.name, dataset.path, dataset.elements, verify)
    from shards.read.reader import Reader

    reader = Reader(dataset.name, dataset.path, dataset.elements, verify, dataset.partial_bytes, dataset, dataset.roots)
    if downloads is not None and is_remote(reader.source.url):
        reader.read_through(downloads)
    return reader


def open_downloads(config: LoaderConfig) -> Downloads | None:
    """The downloads of remote shards into the cache; None without a cache or remote datasets."""
    if config.cache is None or not any(is_remote(dataset.path) for dataset in config.blend):
        return None
    from shards.cache.downloads import Downloads
    from shards.cache.shard_cache import ShardCache

    cache = ShardCache(Path(config.cache.folder), config.cache.limit, config.cache.shared)
    return Downloads(cache, config.cache.connections, config.cache.part_bytes)


def traffic(feeds: Sequence[Feed], downloads: Downloads | None) -> dict[str, float]:
    """Counts of what this process asked of the stores and of the cache."""
    counts: Counter[str] = Counter()
    for feed in feeds:
        counts.update(feed.reader.traffic())
    if downloads is not None:
        counts.update({f"cache_{name}": count for name, count in downloads.snapshot().items()})
    return dict(counts)
