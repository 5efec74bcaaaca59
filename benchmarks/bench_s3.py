"""How much of a slow link to an object store does a loader use, ours and the peers, and how soon does it begin?

    PYTHONPATH=. python benchmarks/bench_s3.py [--rounds 3] [--sizes 5.4,32,64] [--skip first]

A store on loopback (store.py): 50 ms before the first byte, 50 MB/s a connection. Samples of 64 KB in shards of 5.4,
32 and 64 MB, one pass from nothing (empty cache, one process without workers), four connections where a system has
that setting: 200 MB/s are there. `link` is the share of it from opening to the last sample, `middle_link` that of the
middle four fifths of the batches; `per_part` the large requests for each part of at most 32 MiB that the dataset has;
small ones (cold-start ranges, indexes) and HEAD and LIST are counted apart. All systems at 32 MB, and those that read
whole tars at the other sizes.

Then the first batch of 32 from 1,000 cold shards: `round_trips` is what 0.2 s of latency more cost, divided by them.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import forms
from harness import arguments, ask, beside, save_json
from peers.protocol import Options
from store import Store, serve

LATENCY_S, BYTES_PER_S, CONNECTIONS = 0.05, 50e6, 4
MEDIA_BYTES, SAMPLE_BYTES, PART_BYTES = 64_000, 65_536, 1 << 25
SHARDS = {"5.4": (82, 288), "32": (500, 72), "64": (1000, 36)}
"""Megabytes -> (samples in a shard, shards)."""
EVERYWHERE = ("ours", "spdl", "webdataset")
CACHED = ("ours", "mosaic", "litdata")
LIMIT_S = 120.0


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/s3")
    options.add_argument("--sizes", default="5.4,32,64")
    options.add_argument("--systems", default="ours,spdl,webdataset,mosaic,litdata,energon")
    options.add_argument("--skip", default="", help="first: no first batches; link: nothing else")
    chosen = options.parse_args()
    systems = chosen.systems.split(",")
    sizes = [] if chosen.skip == "link" else chosen.sizes.split(",")
    there = {size: [s for s in systems if size == "32" or s in EVERYWHERE] for size in sizes}
    for size in sizes:
        per_shard, num_shards = SHARDS[size]
        forms.make(chosen.data / f"mb{size}", num_shards, per_shard, MEDIA_BYTES, there[size], venvs=chosen.venvs)
    many = chosen.data / "many"
    if chosen.skip != "first":
        forms.make(many, 1000, 4, 1000, systems, venvs=chosen.venvs)
    with serve(chosen.data) as store:
        cases = {
            f"{system}, {size} MB": partial(link, store, chosen.data / f"mb{size}", system, size, chosen.venvs)
            for size in sizes
            for system in there[size]
        }
        if cases:
            ratios = {f"ours, {size} MB": ("mb_per_s", partial(_same_size, size)) for size in sizes}
            shown = (
                "link",
                "middle_link",
                "first_batch_s",
                "p99_gap_ms",
                "cpu_s",
                "per_part",
                "small",
                "head_and_list",
            )
            save_json(chosen.json, beside("s3", cases, chosen.rounds, ratios, shown))
        if chosen.skip != "first":
            cases = {system: partial(first, store, many, system, chosen.venvs) for system in systems}
            cases["ours, no cache"] = partial(first, store, many, "ours", chosen.venvs, cached=False)
            save_json(chosen.json, beside("s3 first batch", cases, chosen.rounds))


def _same_size(size: str, label: str) -> bool:
    return label.endswith(f", {size} MB")


def link(store: Store, folder: Path, system: str, size: str, venvs: Path) -> dict[str, Any]:
    """One pass."""
    per_shard, num_shards = SHARDS[size]
    store.behave(latency_s=LATENCY_S, bytes_per_s=BYTES_PER_S)
    before = store.counted()
    answer = _ask(store, folder, system, "once", venvs)
    if "unsupported" in answer:
        return answer
    assert answer["samples"] == per_shard * num_shards, f"{system} gave {answer['samples']} samples"
    came = store.counted() - before
    parts = num_shards * math.ceil(per_shard * SAMPLE_BYTES / PART_BYTES)
    whole = CONNECTIONS * BYTES_PER_S / 1e6
    return {
        **answer,
        "link": answer["mb_per_s"] / whole,
        "middle_link": answer["middle_mb_per_s"] / whole,
        "per_part": came["large"] / parts,
        "small": came["small"],
        "head_and_list": came["head"] + came["list"],
    }


def first(store: Store, folder: Path, system: str, venvs: Path, cached: bool = True) -> dict[str, Any]:
    """The first batch, near and far away."""
    store.behave(latency_s=0.0)
    near = _ask(store, folder, system, "start", venvs, cached)
    store.behave(latency_s=0.2)
    before = store.counted()
    far = _ask(store, folder, system, "start", venvs, cached)
    if "unsupported" in near or "unsupported" in far:
        return near if "unsupported" in near else far
    came = store.counted() - before
    return {
        "near_s": near["first_batch_s"],
        "far_s": far["first_batch_s"],
        "round_trips": (far["first_batch_s"] - near["first_batch_s"]) / 0.2,
        "requests": came["get"] + came["head"] + came["list"],
    }


def _ask(store: Store, folder: Path, system: str, verb: str, venvs: Path, cached: bool = True) -> dict[str, Any]:
    work = Path(tempfile.mkdtemp(prefix="mcg-s3-", dir=folder.parent))
    try:
        url, env = forms.remote(folder, system, store, work)
        options = Options(
            url=url,
            names=forms.names(folder),
            index=str(folder / system),
            shuffle=system == "ours",  # its only order for training; the others stream their shards one by one
            batch=32,
            cache=str(work / "cache") if cached and system in CACHED else "",
            connections=CONNECTIONS,
        )
        env["TMPDIR"] = str(work)
        return ask(forms.command(system, verb, options, venvs), LIMIT_S, env)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
