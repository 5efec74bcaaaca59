"""Look-ahead: the remote shards that a rank needs next, listed for their caches while the run goes on.

Promises: computed from the order, so exact to the window: nothing on the list is useless, and nothing that the next
batches need is missing from it. Shards go by their distance, all datasets of the blend together: one that gets every
second turn comes half as fast. Where every batch is of one dataset a rank asks for the shards of its own share, if the
cache has room for those of all ranks of the node; else for the shards of all ranks. A cache that cannot hold what is in
use at once is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base.environment import number_from_environment
from shards.base.open_files import allowed
from shards.loader.config import LoaderConfig
from shards.order.order import NEVER, Int64
from shards.order.plan import RunPosition
from shards.order.share import ALL, Share

if TYPE_CHECKING:
    from shards.loader.feed import Feed

_LOCAL_RANKS_VARIABLES = ("LOCAL_WORLD_SIZE", "LOCAL_SIZE")
"""Set by torchrun and by deepspeed: how many ranks share this node and its cache."""
_LONGEST = 256
"""Shards on one list beyond those in use."""


class _Needs(NamedTuple):
    """Shards by distance, of all feeds: (n,) each."""

    distance: NDArray[np.floating]
    feed: Int64
    shard: Int64
    bytes: Int64
    start: Int64
    """About the byte from which on a shard in use is used."""


class LookAhead:
    """The want lists of one rank."""

    def __init__(self, config: LoaderConfig, feeds: Sequence[Feed], rank: int, world_size: int) -> None:
        """Raises ValueError when the cache is too small for what is in use at the start."""
        assert config.cache is not None
        self._training = config.mode == "train"
        self._feeds = feeds
        sizes = config.batch_sizes
        elements = [feed.config.weight * size for feed, size in zip(feeds, sizes, strict=True)]  # by turns
        self._pace = [sum(elements) / own if self._training else 1.0 for own in elements]
        """Elements of the whole run for one element of a feed."""
        self._per_byte = [
            pace * feed.order.streams * feed.order.num_elements / max(1, int(feed.reader.index.shards.bytes.sum()))
            for feed, pace in zip(feeds, self._pace, strict=True)
        ]
        """Elements of the whole run until the next byte of a shard is used."""
        one_dataset = self._training and (config.unit == "step" or len(config.blend) == 1)
        all_ = [ALL] * len(feeds)
        self._own = [Share(size, rank, world_size) for size in sizes] if one_dataset and world_size > 1 else all_
        self._shares, self._sharing = all_, 1
        """What is asked for, and how many ranks divide the cache's room among them."""
        self._limit = config.cache.limit
        self._due: list[int] | None = None
        """Position of each feed at which new lists are due; None: begin as at the start."""
        self._begin((0,) * len(feeds))

    def is_due(self, place: RunPosition) -> bool:
        """True when a quarter of a window, or of a shard, has gone by since the lists were made."""
        return self._due is None or not all(map(int.__lt__, place.positions, self._due))

    def update(self, place: RunPosition) -> None:
        """Make the lists for a place in the run, if they are due. Raises ValueError as __init__."""
        if not self.is_due(place):
            return
        needs = self._begin(place.positions) if self._due is None else self._needs(place.positions)
        # Each listed shard holds a file open. One left out for that is found when it is read, or is read by range.
        may_be_open = np.arange(len(needs.distance)) < allowed(2 * (_LONGEST + int((needs.distance == 0).sum()))) // 2
        if self._due is None:
            # The shards in use are listed first: a cold start reads them by range until their copies are here.
            self._tell(place, needs, needs.distance < 0)  # none: a list after an empty one begins a cold start
            self._tell(place, needs, (needs.distance == 0) & may_be_open)
        fits = np.cumsum(needs.bytes) <= self._limit // self._sharing
        # Shards in use are listed whatever the length of the list.
        fits[_LONGEST:] &= needs.distance[_LONGEST:] == 0
        self._tell(place, needs, fits & may_be_open)
        self._due = [
            position + max(1, feed.window // 4, feed.order.num_elements // max(1, 4 * feed.num_shards))
            for position, feed in zip(place.positions, self._feeds, strict=True)
        ]

    def restart(self) -> None:
        """The next place is somewhere else: begin as at the start."""
        self._due = None

    def _needs(self, positions: Sequence[int]) -> _Needs:
        parts, before = [], 0
        for number, (feed, position) in enumerate(zip(self._feeds, positions, strict=True)):
            if feed.reader.cache is not None:
                use, row = feed.order.next_use(position, self._shares[number])
                shard = np.flatnonzero(use != NEVER)
                distance = before + use[shard] * self._pace[number]
                sizes, counts = feed.reader.index.shards.bytes[shard], np.maximum(1, feed.counts[shard])
                # What is used later comes whole: its beginning, of another stream perhaps, with the same request.
                start = np.where(use[shard] == 0, row[shard] % counts / counts * sizes, 0).astype(np.int64)
                parts.append(_Needs(distance, np.full_like(shard, number), shard, sizes, start))
            if not self._training:  # one after the other
                before += max(0, feed.order.num_elements - position)
        distance = np.concatenate([part.distance for part in parts])
        order = np.argsort(distance, kind="stable")
        return _Needs(
            distance[order], *(np.concatenate([part[field] for part in parts])[order] for field in range(1, 5))
        )

    def _begin(self, positions: Sequence[int]) -> _Needs:
        """The needs at a place, of this rank's share if there is room for it. Raises ValueError as __init__."""
        from shards.cache.shard_cache import check_limit

        all_ = [ALL] * len(self._feeds)
        choices = [(self._own, _local_ranks())] if self._own != all_ else []
        working_sets: list[tuple[int, str]] = []
        for self._shares, self._sharing in [*choices, (all_, 1)]:
            needs = self._needs(positions)
            in_use = int((needs.distance == 0).sum())
            what = f"{in_use} shards that this rank draws from now, and the next one"
            if self._sharing > 1:
                what += f", for each of {self._sharing} ranks of this node"
            # with the next one, or nothing could be fetched ahead
            working_sets.append((int(needs.bytes[: in_use + 1].sum()) * self._sharing, what))
            if working_sets[-1][0] <= self._limit:
                break
        check_limit(self._limit, *min(working_sets))
        return needs

    def _tell(self, place: RunPosition, needs: _Needs, chosen: NDArray[np.bool_]) -> None:
        for number, feed in enumerate(self._feeds):
            if feed.reader.cache is None:
                continue
            names = feed.reader.index.shards.names
            own = chosen & (needs.feed == number)
            near = {
                names[shard]: distance
                for shard, distance in zip(needs.shard[own].tolist(), needs.distance[own].tolist(), strict=True)
            }
            feed.reader.cache.next_use = _NextUse(near, feed, place.positions[number], self._pace[number])
            starts = dict(zip(near, needs.start[own].tolist(), strict=True))
            feed.reader.cache.want(list(near), starts, self._per_byte[number])


class _NextUse:
    """Distance of each shard of a feed: for this rank if the shard is near, else for any rank, computed when asked."""

    def __init__(self, near: dict[str, float], feed: Feed, position: int, pace: float) -> None:
        self._near = near
        self._order, self._names = feed.order, feed.reader.index.shards.names
        self._position, self._pace = position, pace
        self._distances: dict[str, float] | None = None

    def __call__(self, name: str) -> float:
        if name in self._near:
            return self._near[name]
        if self._distances is None:
            use, _ = self._order.next_use(self._position)
            distance = np.where(use == NEVER, np.inf, use * self._pace)
            self._distances = dict(zip(self._names, distance.tolist(), strict=True))
        return self._distances.get(name, float("inf"))


def _local_ranks() -> int:
    """Ranks of this node, according to the launcher; 1 without a launcher."""
    name = next((name for name in _LOCAL_RANKS_VARIABLES if os.environ.get(name)), _LOCAL_RANKS_VARIABLES[0])
    return max(1, int(number_from_environment(name, 1, "ranks")))
