"""How many samples does one CPU second read, in exact shuffled order, with checksums?

    python benchmarks/read.py

20,000 samples of 20 KB and 100 bytes (two members) in 20 local shards, in the page cache, in the order of a training
pass, each read once: 1,024 at a time (`Reader.fetch`, verified bytes), and one at a time (`Reader.read`, with the json
parsed and the facts made). Checksums on and off.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import compare, run_case, timed

NUM_SAMPLES, AT_ONCE = 20_000, 1024


def read(folder: str, how: str, verify: Any) -> dict[str, float]:
    """Samples per second of one pass."""
    from shards.order import Order, default_window
    from shards.reader import Fetched, Reader

    reader = Reader("random", folder, verify=verify)
    order = Order(reader.counts, 0, "random", 16, default_window(reader.counts))
    for shard in range(len(reader.counts)):  # imports and the index are not what is measured
        reader.index.rows(shard)
    draw = np.random.default_rng(0)
    numbers: dict[str, float] = {}
    with timed(numbers, "pass"):
        for start in range(0, NUM_SAMPLES, AT_ONCE):
            at = order.at(np.arange(start, min(start + AT_ONCE, NUM_SAMPLES)))
            if how == "fetch":
                assert all(isinstance(fetched, Fetched) for fetched in reader.fetch(at.shard, at.row))
            else:
                for shard, row in zip(at.shard.tolist(), at.row.tolist(), strict=True):
                    reader.read(shard, row, draw)
    return {
        "samples_per_s": NUM_SAMPLES / numbers["pass_s"],
        "samples_per_cpu_s": NUM_SAMPLES / numbers["pass_cpu_s"],
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"read": read}, sys.argv[2:])
    else:
        from data import random_dataset

        with tempfile.TemporaryDirectory() as folder:
            path = str(random_dataset(Path(folder), NUM_SAMPLES, samples_per_shard=1000))
            cases = {
                "many at once": ["read", path, "fetch", "once"],
                "many at once, no checksums": ["read", path, "fetch", "never"],
                "one at a time": ["read", path, "read", "once"],
            }
            compare("read", __file__, cases)
