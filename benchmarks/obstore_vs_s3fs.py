"""Would obstore (the client in Rust) be worth a dependency? Its reads beside ours through s3fs.

    VENV/bin/python benchmarks/obstore_vs_s3fs.py        # VENV has obstore, s3fs, tenacity, rich; see docs/results.md

Against a store on this machine (store.py), each case in a fresh process: `parts`: 16 parts of 32 MiB over four
connections of 50 ms and 50 MB/s; `ranges`: 20 batches of 32 ranges of 20 kB at 50 ms; `loopback`: 32 parts of 32 MiB
over four connections without latency or limit. CPU seconds are those of the client's process, imports not counted.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import compare, run_case, timed
from store import serve

Range = tuple[str, int, int]
ReadMany = Callable[[Sequence[Range]], list[bytes]]
PART = 1 << 25
BIG, SMALL = "big.tar", [f"{number:06}.tar" for number in range(32)]


@contextmanager
def slow_store(latency: str, bandwidth: str = "0") -> Iterator[str]:
    """The address of a store with a shard of 2 GiB and 32 of 10 MB, all of zeros."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "bucket" / "x"
        place.mkdir(parents=True)
        for name, size in {BIG: 64 * PART, **dict.fromkeys(SMALL, 10_000_000)}.items():
            (place / name).touch()
            os.truncate(place / name, size)  # takes no room on the disk
        with serve(Path(folder), latency_s=float(latency), bytes_per_s=float(bandwidth)) as store:
            yield store.url


def open_ours(address: str) -> tuple[ReadMany, Callable[[Range], bytes]]:
    os.environ.update(
        AWS_ENDPOINT_URL=address, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_EC2_METADATA_DISABLED="true"
    )
    from shards.storage.remote import RemoteSource

    source = RemoteSource("s3://bucket/x")
    return source.read_many, lambda range_: source.read(*range_)


def open_obstore(address: str) -> tuple[ReadMany, Callable[[Range], bytes]]:
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        "bucket",
        endpoint=address,
        access_key_id="a",
        secret_access_key="b",
        region="us-east-1",
        client_options={"allow_http": True},
    )

    def read(range_: Range) -> bytes:
        name, offset, length = range_
        return bytes(obstore.get_range(store, f"x/{name}", start=offset, length=length))

    async def read_all(ranges: Sequence[Range]) -> list[bytes]:
        found = (obstore.get_range_async(store, f"x/{name}", start=at, length=length) for name, at, length in ranges)
        return [bytes(data) for data in await asyncio.gather(*found)]

    loop = asyncio.new_event_loop()
    return lambda ranges: loop.run_until_complete(read_all(ranges)), read


def parts(client: str, latency: str, bandwidth: str, count: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    with slow_store(latency, bandwidth) as address, ThreadPoolExecutor(4) as pool:
        _, read = {"ours": open_ours, "obstore": open_obstore}[client](address)
        list(pool.map(read, [(BIG, 0, 10)] * 4))  # imports and connections
        with timed(numbers, "all"):
            got = sum(pool.map(lambda i: len(read((BIG, i * PART, PART))), range(int(count))))
    assert got == int(count) * PART
    return {"MB_per_s": got / 1e6 / numbers["all_s"], "cpu_s_per_GB": numbers["all_cpu_s"] / (got / 1e9)}


def ranges(client: str, latency: str, num_batches: str) -> dict[str, float]:
    with slow_store(latency) as address:
        read_many, _ = {"ours": open_ours, "obstore": open_obstore}[client](address)
        batch: list[Range] = [(name, 1000 * i, 20_000) for i, name in enumerate(SMALL)]
        read_many(batch)
        walls, cpu = [], time.process_time()
        for _ in range(int(num_batches)):
            start = time.perf_counter()
            assert all(len(data) == 20_000 for data in read_many(batch))
            walls.append(time.perf_counter() - start)
        cpu = time.process_time() - cpu
    return {"batch_ms": 1e3 * statistics.median(walls), "batch_cpu_ms": 1e3 * cpu / len(walls)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"parts": parts, "ranges": ranges}, sys.argv[2:])
    else:
        clients = ("ours", "obstore")
        for title, arguments in {
            "32 MiB parts, 50 ms, 50 MB/s, 4 connections": ["parts", "CLIENT", "0.05", "50e6", "16"],
            "32 ranges of 20 kB, 50 ms": ["ranges", "CLIENT", "0.05", "20"],
            "32 MiB parts, loopback": ["parts", "CLIENT", "0", "0", "32"],
        }.items():
            cases = {client: [client if a == "CLIENT" else a for a in arguments] for client in clients}
            compare(title, __file__, cases)
