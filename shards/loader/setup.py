"""The setup of a loader: its settings, datasets, planner, task, decoder, ledger and statistics, which its stages share.

A setup does not change. When a loaded cursor shows that a dataset has grown, the loader makes another one. It knows no
loader, so that a dropped loader is collected while its threads still work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shards.decode.decoder import Backend
from shards.loader.config import LoaderConfig
from shards.loader.feed import Feed
from shards.loader.quarantine import Ledger
from shards.loader.stages.watch import Watch
from shards.loader.stats import Stats
from shards.media.clip import EncodedClip
from shards.order.blend import Blend
from shards.order.cursor import VERSION, Cursor, GivenUp, combine_fingerprints, joined_streams
from shards.order.plan import EvaluationPlanner, Planner, RunPosition, TrainingPlanner
from shards.read.sample import Sample

RngFactory = Callable[[str], np.random.Generator]
"""purpose -> the generator of this element, pass and attempt for that purpose."""
Encode = Callable[[Sample, RngFactory], EncodedClip]
"""A task's encoding of a sample; raises SampleError or MediaError for bad data."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that the stages of one loader share."""

    config: LoaderConfig
    rank: int
    world_size: int
    feeds: Sequence[Feed]
    blend: Blend
    encode: Encode
    backend: Backend
    ledger: Ledger
    stats: Stats
    watch: Watch
    given_up: dict[tuple[int, int, int], float] = field(default_factory=dict)
    """(dataset, position, attempt) of what was given up for its time -> the seconds that were its limit; threads may
    add to it. What is planned again is not tried again."""

    @property
    def training(self) -> bool:
        return self.config.mode == "train"

    @property
    def num_threads(self) -> int:
        """Threads that decode; those that wait for a GPU need no core."""
        return max(self.config.threads, self.backend.waiting)

    def planner(self) -> Planner:
        """The planner of this rank's batches."""
        orders, sizes = [feed.order for feed in self.feeds], self.config.batch_sizes
        if self.training:
            size = sizes if self.config.unit == "step" else self.config.batch_size
            return TrainingPlanner(orders, self.blend, size, self.rank, self.world_size)
        return EvaluationPlanner(orders, self.config.batch_size, self.rank, self.world_size)

    def given_up_from(self, place: RunPosition) -> list[GivenUp]:
        """What was given up for its time at or beyond a place."""
        found = self.given_up.copy().items()  # threads add to it
        return [GivenUp(*at, seconds) for at, seconds in found if at[1] >= place.positions[at[0]]]

    def cursor(self, place: RunPosition, given_up: Iterable[Sequence[Any]] = ()) -> Cursor:
        """The cursor that is saved for a place. given_up: of all ranks, as from `given_up_from`."""
        feeds = [feed.at(position) for feed, position in zip(self.feeds, place.positions, strict=True)]
        shifts, sizes = tuple(feed.shift for feed in feeds), self.config.batch_sizes
        return Cursor(
            version=VERSION,
            seed=self.config.seed,
            fingerprint=combine_fingerprints([feed.fingerprint for feed in feeds]),
            streams=joined_streams([feed.streams for feed in feeds]),
            window=tuple(feed.window for feed in feeds),
            datasets=tuple(feed.label for feed in feeds),
            weights=tuple(self.blend.weights),
            unit=self.config.unit if self.training else "pass",
            q=place.q,
            positions=place.positions,
            batch_size=self.config.batch_size,
            world_size=self.world_size,
            shards=tuple(feed.num_shards for feed in feeds),
            shifts=shifts if any(shifts) else (),
            decoder=self.backend.name,
            given_up=tuple(sorted({GivenUp(*one) for one in given_up})),
            batch_sizes=sizes if set(sizes) != {self.config.batch_size} else (),
            batches_per_turn=self.blend.batches_per_turn if self.blend.batches_per_turn > 1 else 0,
        )
