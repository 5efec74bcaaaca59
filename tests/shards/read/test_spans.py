"""Spans: many elements read at once are those of single reads."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from shards.read.reader import Reader
from shards.read.sample import SampleError
from tests.shards.odd_dataset import flip


@pytest.mark.parametrize("elements", ["record", "sample"])
@pytest.mark.parametrize("verify", ["once", "always", "never"])
def test_many_at_once_are_what_single_reads_give(
    folder: Path, elements: Literal["record", "sample"], verify: Literal["once", "always", "never"]
) -> None:
    flip(folder, "s0003", "mp4")
    flip(folder, "s0005", "json")
    alone, together = (Reader("toy", str(folder), elements, verify) for _ in range(2))
    addresses = [(shard, row) for shard, count in enumerate(alone.counts) for row in range(count)]
    g = np.random.default_rng(0)
    for _ in range(3):
        drawn = np.array([addresses[i] for i in g.integers(len(addresses), size=40)])
        for (shard, row), fetched in zip(drawn, together.fetch(*drawn.T), strict=True):
            if isinstance(fetched, SampleError):
                with pytest.raises(SampleError, match=re.escape(str(fetched))):
                    alone.read(shard, row, g)
                continue
            if verify == "never" and alone.origin(shard, row).key == "s0005":
                continue  # damaged json may not even parse
            sample = alone.read(shard, row, g)
            assert (bytes(fetched.media), fetched.txt) == (sample.media, None)
            assert fetched.record == (sample.record_index if elements == "record" else None)
            assert fetched.json is not None
            assert json.loads(bytes(fetched.json))["records"][sample.record_index] == sample.record
    assert together.fetch([], []) == []


def test_what_was_found_of_many_is_read_in_parts_as_well(folder: Path) -> None:
    flip(folder, "s0003", "mp4")
    whole, in_parts = (Reader("toy", str(folder)) for _ in range(2))
    addresses = [(shard, row) for shard, count in enumerate(whole.counts) for row in range(count)]
    drawn = np.random.default_rng(0).permutation(addresses).T
    found = in_parts.find(*drawn)
    cuts = [0, 1, 1, 7, 12, len(addresses)]
    read = [one for start, stop in pairwise(cuts) for one in in_parts.take(found.part(start, stop))]
    assert len(read) == len(addresses) and list(map(str, read)) == list(map(str, whole.fetch(*drawn)))
