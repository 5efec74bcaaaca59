"""A run of thousands of ranks without training: all their batches are dealt and counted, of some nodes the cache runs.

Order, blend, partition, cursor, plans and look-ahead are the project's own code. A global batch is planned once and
dealt to all ranks, where each rank of a real run plans all of it for itself; plans of single ranks are compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from virtual_shards import ELEMENT_BYTES, Announced, Int64, VirtualDataset, VirtualNode

from shards.loader.config import CacheConfig, DatasetConfig, LoaderConfig
from shards.loader.setup import Setup
from shards.order.blend import Blend
from shards.order.cursor import Cursor
from shards.order.partition import deal
from shards.order.plan import RunPosition, TrainingPlanner

NODE_RANKS = 8
DATASETS = {"web": 3, "cc": 1}
"""Name -> weight, and share of the shards."""
_PLANS_EVERY = 50
"""Batches from one comparison of a rank's plan to the next."""


class Size(NamedTuple):
    """How large a simulation is."""

    num_shards: int = 32_000
    shard_elements: int = 250
    """On average."""
    batch_size: int = 131_072
    num_cached: int = 1
    """Nodes whose caches run, spread evenly."""
    speed: float = 1.5
    """Bytes that a node's line brings in a step, as a multiple of those that its ranks use."""


class Phase(NamedTuple):
    """What runs between two starts."""

    world_size: int
    end: float
    """In passes from the beginning of the run."""


class Batch(NamedTuple):
    """A global batch: (B,) dataset, pass, shard and row of its elements, those of rank 0 first."""

    place: RunPosition
    dataset: Int64
    pass_: Int64
    shard: Int64
    row: Int64


class Run:
    """The order of a run with some number of ranks, made anew as by processes that start."""

    def __init__(self, datasets: Sequence[VirtualDataset], config: LoaderConfig, world_size: int) -> None:
        self.world_size, self._batch_size = world_size, config.batch_size
        feeds = [dataset.feed(config) for dataset in datasets]
        self._orders = [feed.order for feed in feeds]
        self._blend = Blend([feed.config.weight for feed in feeds], config.unit)
        none: Any = None
        backend: Any = SimpleNamespace(name="cpu")
        self._setup = Setup(config, 0, world_size, feeds, self._blend, none, backend, none, none, none)

    def save(self, place: RunPosition) -> str:
        """The cursor as a checkpoint has it."""
        return json.dumps(self._setup.cursor(place).to_dict())

    def load(self, saved: str) -> RunPosition:
        """The place of a saved cursor. Raises CursorMismatch if it belongs to another order."""
        cursor = Cursor.from_dict(json.loads(saved))
        cursor.check(self._setup.cursor(self.begin))
        return RunPosition(cursor.q, cursor.positions)

    @property
    def begin(self) -> RunPosition:
        """The first place."""
        return RunPosition(0, (0,) * len(self._orders))

    def passes(self, place: RunPosition) -> float:
        """Passes that every dataset has gone through."""
        return min(at / order.num_elements for at, order in zip(place.positions, self._orders, strict=True))

    def batches(self, place: RunPosition, end: float) -> Iterator[tuple[Batch, RunPosition]]:
        """The batches from a place on, each with the place behind it, until so many passes are whole."""
        while self.passes(place) < end:
            dataset, position, q, positions = self._blend.slots(place.q, place.positions, self._batch_size)
            at = np.empty((4, len(dataset)), np.int64)
            for number in np.unique(dataset).tolist():
                here = dataset == number
                at[:, here] = self._orders[number].at(position[here])
            pass_, shard, row, stream = at
            dealt = np.concatenate(deal(dataset, stream, self.world_size))
            after = RunPosition(q, tuple(positions))
            yield Batch(place, dataset[dealt], pass_[dealt], shard[dealt], row[dealt]), after
            place = after

    def check_plan(self, batch: Batch, rank: int) -> None:
        """Raise AssertionError unless a rank's plan of this batch is its part of it."""
        planner = TrainingPlanner(self._orders, self._blend, self._batch_size, rank, self.world_size)
        (plan,) = planner.plans(batch.place, 1)
        part = self.part(rank)
        mine = np.stack([batch.dataset[part], batch.pass_[part], batch.shard[part], batch.row[part]])
        assert (plan.columns[[0, 2, 3, 4]] == mine).all(), f"rank {rank} plans something else at {batch.place}"

    def part(self, rank: int) -> slice:
        """Where the elements of a rank stand in a batch."""
        share = self._batch_size // self.world_size
        return slice(rank * share, (rank + 1) * share)


class Tally:
    """How often each element came in each pass, and which shards each node drew from."""

    def __init__(self, datasets: Sequence[VirtualDataset], num_passes: int) -> None:
        self._datasets = datasets
        passes = [(number, pass_) for number in range(len(datasets)) for pass_ in range(num_passes)]
        self._counts = {key: np.zeros(int(datasets[key[0]].counts.sum()), np.uint8) for key in passes}
        self._drawn: list[Any] = []

    def begin(self, num_nodes: int) -> None:
        """Note for so many nodes what they draw from."""
        self._drawn = [np.zeros((num_nodes, len(dataset.counts)), np.bool_) for dataset in self._datasets]

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        num_nodes = len(self._drawn[0])
        node = np.repeat(np.arange(num_nodes), len(batch.dataset) // num_nodes)
        for number, dataset in enumerate(self._datasets):
            here = batch.dataset == number
            self._drawn[number][node[here], batch.shard[here]] = True
            element, passes = dataset.first[batch.shard[here]] + batch.row[here], batch.pass_[here]
            for pass_ in np.unique(passes).tolist():
                if (counts := self._counts.get((number, pass_))) is not None:
                    # Unlike `counts[...] += 1` this also counts what comes twice in one batch.
                    np.add.at(counts, element[passes == pass_], 1)

    def needs(self) -> tuple[float, float]:
        """Bytes of the shards that a node drew from: those of the node with the fewest, and with the most."""
        needs = sum(drawn @ dataset.shards.bytes for drawn, dataset in zip(self._drawn, self._datasets, strict=True))
        return float(needs.min()), float(needs.max())

    def check(self) -> int:
        """The number of elements that came. Raises AssertionError unless each came once in each pass."""
        for (number, pass_), counts in self._counts.items():
            wrong, name = int((counts != 1).sum()), self._datasets[number].config.name
            assert not wrong, f"{name}, pass {pass_}: {wrong} of {len(counts)} elements did not come exactly once"
        return sum(len(counts) for counts in self._counts.values())


def make_datasets(size: Size) -> list[VirtualDataset]:
    """The datasets of the blend."""
    total = sum(DATASETS.values())
    configs = [DatasetConfig(name=name, path=f"s3://bucket/{name}", weight=w) for name, w in DATASETS.items()]
    return [VirtualDataset(one, size.num_shards * int(one.weight) // total, size.shard_elements) for one in configs]


class Cache(NamedTuple):
    """What of caches is simulated beside a run."""

    disk: float
    """A node's limit as a multiple of its share of the datasets."""
    warm: bool = True
    """False: a new phase finds empty disks."""

    @property
    def label(self) -> str:
        return f"{self.disk:.0%}{'' if self.warm else ', emptied'}"


def simulate(
    folder: Path, phases: Sequence[Phase], size: Size, streams: int | None, caches: Sequence[Cache] = ()
) -> dict[str, Any]:
    """Deal and count all batches of a run, and let the caches of some nodes run: the figures of each phase and pass.

    Raises AssertionError where an element of the whole passes did not come exactly once, where a rank plans something
    else than its part, and where it reads other bytes than those of its elements.
    """
    os.environ["LOCAL_WORLD_SIZE"] = str(NODE_RANKS)
    datasets = make_datasets(size)
    config = LoaderConfig(
        blend=tuple(dataset.config for dataset in datasets), batch_size=size.batch_size, streams=streams
    )
    # The same numbers in all phases, so that a node may find what it had.
    fewest = min(phase.world_size for phase in phases) // NODE_RANKS
    numbers = [(2 * place + 1) * fewest // (2 * size.num_cached) for place in range(size.num_cached)]
    tally = Tally(datasets, int(phases[-1].end))
    parts: list[dict[str, Any]] = []
    saved, num_batches = "", 0
    for phase_number, phase in enumerate(phases):
        run = Run(datasets, config, phase.world_size)
        place = run.load(saved) if saved else run.begin
        num_nodes = phase.world_size // NODE_RANKS
        share = sum(int(dataset.shards.bytes.sum()) for dataset in datasets) / num_nodes
        line = int(size.speed * size.batch_size * ELEMENT_BYTES / num_nodes)
        nodes: dict[str, list[VirtualNode]] = {}
        refused = {}
        for cache in caches:
            found = []
            try:
                for number in numbers:
                    path = folder / f"{cache.label}-{number}-{0 if cache.warm else phase_number}"
                    room = CacheConfig(folder=str(path), limit=int(cache.disk * share))
                    cached = config.model_copy(update={"cache": room})
                    ranks = range(number * NODE_RANKS, (number + 1) * NODE_RANKS)
                    found.append(VirtualNode(datasets, cached, ranks, phase.world_size, line))
                nodes[cache.label] = found
            except ValueError as error:
                refused[cache.label] = {"refused": str(error)}
        before = {label: _counters(found) for label, found in nodes.items()}
        tally.begin(num_nodes)
        for batch, after in run.batches(place, phase.end):
            tally.add(batch)
            if num_batches % _PLANS_EVERY == 0:
                run.check_plan(batch, (num_batches * 7919 + 1) % phase.world_size)
            for node in (node for found in nodes.values() for node in found):
                mine = [run.part(rank) for rank in node.ranks]
                node.step(batch.place, [(batch.dataset[p], batch.shard[p], batch.row[p]) for p in mine])
            num_batches += 1
            passes = run.passes(after)
            if int(passes) > int(run.passes(place)) or passes >= phase.end:
                now = {label: _counters(found) for label, found in nodes.items()}
                figures = {label: _figures(before[label], now[label]) for label in nodes}
                least, most = (need / share for need in tally.needs())
                part = {"world_size": phase.world_size, "passes": passes, "share_gib": share / 1024}
                parts.append(part | {"need_least": least, "need_most": most, "caches": figures | refused})
                before = now
                tally.begin(num_nodes)
            place = after
        saved = run.save(place)
        for node in (node for found in nodes.values() for node in found):
            node.close()
    return {"elements": tally.check(), "batches": num_batches, "cursor_bytes": len(saved), "parts": parts}


def announced(size: Size, world_size: int, streams: int | None) -> dict[str, float]:
    """What the look-ahead of a node lists in a pass, where the disk holds everything, as a multiple of its share."""
    os.environ["LOCAL_WORLD_SIZE"] = str(NODE_RANKS)
    datasets = make_datasets(size)
    total = sum(int(dataset.shards.bytes.sum()) for dataset in datasets)
    room = CacheConfig(folder="unused", limit=2 * NODE_RANKS * total)
    config = LoaderConfig(
        blend=tuple(d.config for d in datasets), batch_size=size.batch_size, streams=streams, cache=room
    )
    run = Run(datasets, config, world_size)
    lists = Announced(datasets, config, NODE_RANKS, world_size)
    for batch, _ in run.batches(run.begin, 1):
        lists.step(batch.place)
    return {"announced": lists.bytes / total * world_size / NODE_RANKS}


def _counters(nodes: Sequence[VirtualNode]) -> dict[str, float]:
    """The counters of the nodes, on average."""
    each = [node.snapshot() for node in nodes]
    return {name: sum(one[name] for one in each) / len(each) for name in each[0]}


def _figures(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """The figures of a part of a run, of its counters before and behind it; sizes in GiB."""
    counted = {name: now[name] - before[name] for name in now}
    ranges = sum(counted[f"ranges_{cause}"] for cause in ("cold", "no_room", "other"))
    return {
        "store_gib": counted["bytes"] / 1024,
        "used_gib": counted["used"] / 1024,
        "hits": counted["hits"] / (counted["hits"] + ranges),
        "by_range": ranges,
        "late": counted["late"] / counted["steps"],
        "lost": counted["lost"],
        "requests": counted["requests"],
        "evictions": counted["evictions"],
    }
