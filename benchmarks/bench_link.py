"""How much of a slow link to an object store does a whole loader use, ours and the peers, and how soon and how evenly?

    python benchmarks/peer_venvs.py
    PYTHONPATH=. python benchmarks/bench_link.py [--gigabytes 1,10] [--batch 32,256] [--rounds 3] [--quick]

A store on loopback (store.py): 50 ms before the first byte, 50 MB/s a connection. Samples of 20 KB in shards of 32 MB,
one cold pass of 1 GB and one of 10 GB (the same shards ten times under other names), nothing decoded. Ours as
docs/streaming.md says: a cache folder and its limit, all else default. Peers as their documentation says: WebDataset
with 4 workers and with as many as ours has large reads at once, LitData and MosaicML with 0 to 4.

`pass_s` counts from opening. `link` is the share of what a bare parallel download of the same files reached on as many
connections as the case had large reads at once (`at_once`), measured in the same round. Gaps between batches are those
between the first and the last eighth of the pass, with `whole_` those of all of it. `per_part` is all GETs for each
part of at most 8 MiB (our default) that the files have; `large` (from 1 MiB), `small`, HEAD and LIST apart. Imports are
in none but `pass_with_imports_s`. `cpu_per_gb` is all
processes of the loader; `store_cpu` the share of a core that the store took from the machine. `round_trips` is what 0.2
s of latency more cost the first batch, divided by them.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import forms
import loader_data
import whole
from harness import arguments, ask, beside, save_json
from store import Store, serve
from whole import Case, Data

LATENCY_S, BYTES_PER_S, PART_BYTES = 0.05, 50e6, 8 << 20
SHARDS, PER_SHARD, MEDIA_BYTES = 32, 1472, 20_000
CACHE_BYTES = 8 * 10**9
OURS = "ours, defaults"
FEW = Case("ours", special={"cache": {"connections": 4}}, label="ours, special: 4 connections")
"""Where the link is slower than two cores, not the loader."""
SHOWN = (
    *(
        "pass_s",
        "pass_with_imports_s",
        "link",
        "at_once",
        "first_batch_s",
        "round_trips",
        "mean_gap_ms",
        "p99_gap_ms",
        "whole_p99_gap_ms",
        "cpu_per_gb",
    ),
    *("per_part", "large", "small", "head_and_list", "store_cpu"),
)


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/whole")
    options.add_argument("--gigabytes", default="1,10")
    options.add_argument("--batch", default="32,256")
    options.add_argument("--systems", default="webdataset,litdata,mosaic")
    options.add_argument("--quick", action="store_true", help="1 GB, batches of 32, three cases of peers")
    chosen = options.parse_args()
    data = Data("link", SHARDS, PER_SHARD, MEDIA_BYTES)
    systems = tuple(filter(None, chosen.systems.split(",")))
    folder = loader_data.make(data, chosen.data, chosen.venvs, ("ours", *systems))
    for times in [1] if chosen.quick else map(int, chosen.gigabytes.split(",")):
        repeated = loader_data.repeat(folder, times, ("ours", *(s for s in systems if s != "mosaic" or times == 1)))
        sizes = replace(data, num_shards=SHARDS * times)
        with serve(chosen.data) as store:
            for batch in [32] if chosen.quick else map(int, chosen.batch.split(",")):
                ask_one = partial(one, store, repeated, sizes, batch, chosen.venvs)
                at_once = int(ask_one(Case("ours"))["at_once"])
                counts = {"webdataset": sorted({4, at_once}), "litdata": [2] if chosen.quick else [0, 1, 2, 4]}
                counts["mosaic"] = [] if chosen.quick or times > 1 else [1, 2, 4]
                cases = [Case("ours"), FEW, *(Case(s, count) for s in systems for count in counts[s])]
                asked = {case.name: partial(ask_one, case) for case in cases}
                ratios = {OURS: ("pass_s", lambda _: True)}
                save_json(chosen.json, beside(f"link {times} GB batch {batch}", asked, chosen.rounds, ratios, SHOWN))


def one(store: Store, folder: Path, data: Data, batch: int, venvs: Path, case: Case) -> dict[str, Any]:
    """A cold pass, the bare download beside it, and the first batch near and far."""
    files = forms.shard_files(folder, case.system)
    store.behave(latency_s=LATENCY_S, bytes_per_s=BYTES_PER_S)
    before = store.counted()
    figures = _ask(store, folder, data, batch, venvs, case, "measure")
    came = store.counted()
    at_once = came.pop("at_once")
    came.subtract(before)
    bare_bytes_per_s = bare(store, files, max(1, at_once))
    num_bytes = sum(file.stat().st_size for file in files)
    parts = sum(math.ceil(file.stat().st_size / PART_BYTES) for file in files)
    store.behave()
    near = _ask(store, folder, data, batch, venvs, case, "first")
    store.behave(latency_s=0.2)
    far = _ask(store, folder, data, batch, venvs, case, "first")
    return {
        **figures,
        "link": num_bytes / figures["pass_s"] / bare_bytes_per_s,
        "bare_mb_per_s": bare_bytes_per_s / 1e6,
        "at_once": at_once,
        "cpu_per_gb": figures["cpu_s"] / (data.num_samples * data.media_bytes / 1e9),
        "per_part": came["get"] / parts,
        "large": came["large"],
        "small": came["small"],
        "head_and_list": came["head"] + came["list"],
        "store_cpu": came["cpu_ms"] / 1e3 / figures["pass_s"],
        "round_trips": (far["first_batch_s"] - near["first_batch_s"]) / 0.2,
    }


def bare(store: Store, files: list[Path], connections: int) -> float:
    """Bytes per second of nothing but GETs of whole files over this many connections, each kept open."""
    place, left, total = urlsplit(store.url), list(files), 0
    began = time.perf_counter()

    def fetch() -> int:
        connection, buffer, count = HTTPConnection(place.netloc), bytearray(1 << 20), 0
        while left:
            try:
                file = left.pop(0)
            except IndexError:
                break
            connection.request("GET", f"/{file.parent.parent.name}/{file.parent.name}/{file.name}")
            answer = connection.getresponse()
            while more := answer.readinto(buffer):
                count += more
        return count

    with ThreadPoolExecutor(connections) as pool:
        total = sum(pool.map(lambda _: fetch(), range(connections)))
    assert total == sum(file.stat().st_size for file in files)
    return total / (time.perf_counter() - began)


def _ask(store: Store, folder: Path, data: Data, batch: int, venvs: Path, case: Case, verb: str) -> dict[str, Any]:
    work = Path(tempfile.mkdtemp(prefix="mcg-link-", dir=folder.parent))
    try:
        url, env = forms.remote(folder, case.system, store, work)
        asked = whole.question(case, data, folder, batch, 0, venvs)
        asked = replace(asked, url=url, names=forms.names(folder), cache=str(work / "cache"), cache_bytes=CACHE_BYTES)
        return ask(whole.command(case, verb, asked, venvs), whole.LIMIT_S, {**whole.ENV, **env, "TMPDIR": str(work)})
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
