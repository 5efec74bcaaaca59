"""Verified: a checksum is compared once in a process, always or never, and to know that costs a bit a sample."""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from shards.read.fetched import Fetched
from shards.read.reader import Reader
from shards.read.sample import SampleError
from tests.shards.odd_dataset import GOOD, dataset_of, flip


def test_a_checksum_is_compared_once_in_a_process_at_every_read_or_never(
    folder: Path, draw: np.random.Generator
) -> None:
    once, always, never = (Reader("toy", str(folder), verify=verify) for verify in ("once", "always", "never"))  # type: ignore[arg-type]
    for toy in (once, always):
        toy.read(0, 1, draw)
    flip(folder, "s0001", "mp4")
    flip(folder, "s0002", "mp4")
    assert once.read(0, 1, draw).media == never.read(0, 1, draw).media != np.random.default_rng(1).bytes(137)
    for toy, row in ((once, 3), (always, 1), (always, 3)):
        for _ in range(2):  # what failed stays unverified
            with pytest.raises(SampleError, match="is damaged: checksum"):
                toy.read(0, row, draw)


def test_what_was_verified_costs_one_bit_a_sample(tmp_path: Path) -> None:
    count = 40_000
    toy = dataset_of(tmp_path / "many", GOOD, count)
    numbers = np.arange(count)
    tracemalloc.start()
    try:
        toy.fetch([0], [0])
        before, _ = tracemalloc.get_traced_memory()
        for part in np.array_split(numbers, 40):
            assert all(isinstance(one, Fetched) for one in toy.fetch(np.zeros_like(part), part))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < count // 4
    shard = tmp_path / "many" / "000000.tar"
    time = shard.stat().st_mtime_ns
    with shard.open("r+b") as file:
        file.write(b"MEDIA")
    os.utime(shard, ns=(time, time))
    assert all(isinstance(one, Fetched) for one in toy.fetch(np.zeros_like(numbers), numbers))  # each of them is known
