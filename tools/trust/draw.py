"""Samples drawn from a dataset, by an addressed draw: the same seed draws the same ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shards.dataset import Index
from shards.order import rng


def draw(index: Index, count: int, seed: int, purpose: str) -> list[tuple[int, list[int]]]:
    """(shard, rows inside it) of `count` samples, or of all if there are fewer, in the order of the dataset."""
    counts = index.shards.num_samples
    total = int(counts.sum())
    numbers = np.arange(total, dtype=np.int64)
    if count < total:
        choice = rng(seed, str(index.dataset["name"]), 0, "", "", 0, 0, purpose)
        numbers = np.sort(choice.choice(total, count, replace=False, shuffle=False))
    ends = np.cumsum(counts)
    shard = np.searchsorted(ends, numbers, side="right")
    row = numbers - (ends - counts)[shard]
    return [(int(one), row[shard == one].tolist()) for one in np.unique(shard)]


def single(drawn: list[tuple[int, list[int]]]) -> Iterator[tuple[int, int]]:
    """(shard, row) of each."""
    return ((shard, row) for shard, rows in drawn for row in rows)
