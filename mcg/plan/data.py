"""What the training data of a config is, and what its samples cost here; or what was told of data that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcg.config import RunConfig
from mcg.inputs import InputError, check_inputs
from mcg.tasks.task import Task
from shards import Batch, Loader
from shards.dataset import Index
from shards.loader import DatasetConfig
from shards.storage import open_source

_WARM, _BATCHES = 2, 4


@dataclass(frozen=True)
class DataFacts:
    """Facts of the training data; None for what is not known without the data."""

    elements: int | None
    """Of a pass."""
    sample_bytes: float | None
    """Mean size of a sample in its shard, by the weights of the blend."""
    shard_bytes: float | None
    cpu_seconds: float | None
    """On a CPU, for one element: reading, decoding, encoding its text. On this machine."""
    batch: Batch | None
    """Of one rank."""


def read_some(config: RunConfig, task: Task, world: int, elements: int | None, sample_bytes: float | None) -> DataFacts:
    """Look at the data, and load a few batches of rank 0. elements, sample_bytes: in place of those found. Raises
    DatasetError, SourceError, ValueError."""
    try:
        check_inputs(config, ("train",))
    except InputError:
        return DataFacts(elements, sample_bytes, None, None, None)
    given = config.data.train
    with Loader(given, 0, world, task.encode) as loader:
        batches = iter(loader)
        for _ in range(_WARM):
            next(batches)
        before = loader.stats.snapshot()
        taken = [next(batches) for _ in range(_BATCHES)]
        spent = loader.stats.snapshot() - before
        found = loader.num_elements
    mean, shard = _sizes([one for one in given.blend if one.source == "shards"])
    cpu = spent.cpu_seconds / sum(len(batch.valid) for batch in taken)
    return DataFacts(elements or found, sample_bytes or mean, shard, cpu, taken[-1])


def _sizes(datasets: Sequence[DatasetConfig]) -> tuple[float | None, float | None]:
    """Bytes of a sample and of a shard, means by the datasets' weights."""
    whole = sum(one.weight for one in datasets)
    if not whole:
        return None, None
    tables = [(one.weight / whole, Index.open(open_source(one.path, one.roots), one.roots).shards) for one in datasets]
    sample = sum(share * float(table.bytes.sum()) / float(table.num_samples.sum()) for share, table in tables)
    return sample, sum(share * float(table.bytes.mean()) for share, table in tables)
