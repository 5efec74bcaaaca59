"""Would it help to ask a second time for a range that is slow to come (a hedged request)?

    python benchmarks/hedging.py

Batches of 32 ranges of 20 kB from a store on this machine (slow_store.py) with 20 ms of latency, once plainly and once
hedged (shards/hedge.py). `steady`: nothing hangs. `2 % hang`: one answer in fifty takes a second longer. Each case in
a fresh process.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import compare, run_case
from slow_store import slow_store


def batches(kind: str, latency: str, hangs: str, num_batches: str) -> dict[str, float]:
    with slow_store(float(latency), hangs=float(hangs), hang_seconds=1.0) as address:
        os.environ.update(
            AWS_ENDPOINT_URL=address, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_EC2_METADATA_DISABLED="true"
        )
        from shards import remote

        remote._HEDGED_BYTES = 1 << 20 if kind == "hedged" else 0
        source = remote.RemoteSource("s3://bucket/x")
        batch = [(f"shard{i}-10000000", 1000 * i, 20_000) for i in range(32)]
        for _ in range(5):  # until it is known what is slow
            source.read_many(batch)
        walls, cpu = [], time.process_time()
        for _ in range(int(num_batches)):
            start = time.perf_counter()
            source.read_many(batch)
            walls.append(time.perf_counter() - start)
        cpu = time.process_time() - cpu
    cuts = statistics.quantiles(walls, n=100)
    return {
        "p50_ms": 1e3 * cuts[49],
        "p99_ms": 1e3 * cuts[98],
        "mean_ms": 1e3 * statistics.fmean(walls),
        "requests_per_range": source.traffic.snapshot()["range"] / (32 * (5 + len(walls))),
        "batch_cpu_ms": 1e3 * cpu / len(walls),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"batches": batches}, sys.argv[2:])
    else:
        for title, hangs in {"steady": "0", "2 % hang for 1 s": "0.02"}.items():
            cases = {kind: ["batches", kind, "0.02", hangs, "100"] for kind in ("plain", "hedged")}
            compare(title, __file__, cases, 3)
