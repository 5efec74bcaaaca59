"""How much memory does a loader take above a trivial one, and does it grow? One process, tiny samples, many batches.

    python benchmarks/loader_memory.py [--batches 10000] [--samples 20000]

A trivial loader here is the same process with the same libraries loaded, which reads pictures with plain `pread`,
decodes them the same way and stacks batches, in one thread. Queued batches are counted apart. Prints a table
and a JSON line; memory is resident, in MB. Growth is the rise of the resident size from the first tenth of the batches
to the end.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shards.dataset.tars.tar import scan
from shards.dataset.writing.writer import DatasetWriter
from shards.decode.backends import open_decoder
from shards.loader.config import LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.facts import MediaFacts
from shards.read.sample import Sample

BATCH, PER_SHARD = 32, 1000
FACTS = MediaFacts("image", "png", 4, 4, 1)
PLAN = ClipPlan((0,), (4, 4), (0, 0, 4, 4))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--batches", type=int, default=10_000)
    options.add_argument("--samples", type=int, default=20_000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: what writing needs (webdataset, torch) must not be resident here.
        if not (pid := os.fork()):
            write(folder, chosen.samples)
            os._exit(0)
        os.waitpid(pid, 0)
        result = measure(folder, chosen.batches, chosen.samples)
    for name, value in result.items():
        print(f"{name:24} {value:>12}")
    print(json.dumps({"benchmark": "loader_memory", **result}))


def write(folder: str, num_samples: int) -> None:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    with DatasetWriter(folder, "tiny", samples_per_shard=PER_SHARD) as writer:
        for number in range(num_samples):
            writer.write(f"{number:09d}", file.getvalue(), "png", [{"caption": "a tiny picture"}], {}, FACTS)


def measure(folder: str, num_batches: int, num_samples: int) -> dict[str, Any]:
    trivial = trivial_batches(folder)
    for _ in range(200):
        next(trivial)
    base = resident()
    config = LoaderConfig.model_validate({"blend": [{"name": "tiny", "path": folder}], "batch_size": BATCH})
    sizes = []
    with Loader(config, 0, 1, encode) as loader:
        for number in range(num_batches):
            next(loader)
            if number % max(1, num_batches // 50) == 0:
                sizes.append(resident())
        end = resident()
        queued = loader.stats.snapshot().queue.last_bytes
    early = max(sizes[: max(1, len(sizes) // 10)])
    return {
        "samples": num_samples,
        "batches": num_batches,
        "trivial_mb": mega(base),
        "loader_mb": mega(end),
        "above_trivial_mb": mega(end - base - queued),
        "queued_mb": mega(queued),
        "early_mb": mega(early),
        "growth_mb": mega(end - early),
    }


def trivial_batches(folder: str) -> Iterator[np.ndarray[Any, Any]]:
    """Endless, in order: plain reads of the byte ranges of the first shard; no index, no order."""
    import pyarrow.parquet  # noqa: F401 - the library itself is not what is measured

    decode = open_decoder("cpu")
    ranges = [(member.offset, member.size) for member in scan(f"{folder}/000000.tar") if member.name.endswith("png")]
    fd = os.open(f"{folder}/000000.tar", os.O_RDONLY)
    number = 0
    while True:
        places = [ranges[(number + i) % len(ranges)] for i in range(BATCH)]
        number += BATCH
        yield np.stack([decode(os.pread(fd, size, offset), "image", PLAN) for offset, size in places])


def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    return EncodedClip(sample.media, sample.facts.kind, PLAN, {"codes": np.arange(16)}, {})


def resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def mega(num_bytes: int) -> float:
    return round(num_bytes / 1e6, 2)


if __name__ == "__main__":
    main()
