"""What do side tables cost: CPU time of reading with `where` and `texts` of one, and memory at a million rows?

    PYTHONPATH=. python benchmarks/bench_side_tables.py [--rounds 9] [--data FOLDER]

Reading: 16,384 samples of 20 KB with a caption of 60 bytes in 32 shards in the page cache, in shuffled order, 256
elements at a time as the loader's threads fetch and parse them, nothing decoded; whole passes of all cases in turns.
The table has a number and a caption for each sample; `where` takes all of them, so that every case reads the same.
Opening is not part of it, and told beside.

Memory: an index of a million samples in 1,000 shards; what opening the table adds to the resident memory of the
process, in bytes a row, at the end and at most meanwhile; then 200,000 captions are read in the order of an epoch.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import arguments, compare, machine, run_case, save_json
from rich.console import Console
from rich.table import Table

from shards import DatasetConfig, DatasetWriter, LoaderConfig, MediaFacts
from shards.dataset.index.dataset_file import dataset_json
from shards.dataset.index.index import Index
from shards.dataset.index.rows import MemberRow, SampleRow
from shards.dataset.index.shard_table import ShardEntry
from shards.dataset.index.shards_file import write_shards
from shards.dataset.index.write_index import rows_table, write_index
from shards.dataset.parquet.memory import give_memory_back
from shards.loader.feed import Feed, open_feed
from shards.order.order import Order
from shards.read.sample import SampleError
from shards.select.side_settings import SideSettings
from shards.select.side_tables import open_side_tables
from shards.storage.open import open_source

SAMPLES, PER_SHARD, MEDIA_BYTES, AT_ONCE = 1 << 14, 512, 20_000, 256
ROWS, ROWS_PER_SHARD, NUM_READ = 1_000_000, 1000, 200_000
GROUP_ROWS = 1 << 16


def main() -> None:
    if sys.argv[1:2] == ["--case"]:
        run_case({"memory": memory}, sys.argv[2:])
        return
    chosen = arguments(__doc__, rounds=9, data="/tmp/mcg-side-tables").parse_args()
    small, large = chosen.data / "small", chosen.data / "large"
    if not (small / "side.parquet").exists():
        write_small(small)
    if not (large / "side.parquet").exists():
        write_large(large)
    reading = read(small, chosen.rounds)
    table = Table(
        "case", *reading["none"], title=f"reading with a side table (medians of {chosen.rounds} passes in turns)"
    )
    for name, numbers in reading.items():
        table.add_row(name, *(f"{number:.4g}" for number in numbers.values()))
    Console().print(table)
    save_json(chosen.json, {"benchmark": "reading with a side table", "machine": machine(), "cases": reading})
    columns = {"1 number": "a > 0", "3 numbers": "a > 0 and b > 0 and c > 0", "texts": ""}
    held = {name: ["memory", str(large), where] for name, where in columns.items()}
    save_json(chosen.json, compare("memory of a side table", __file__, held, 3))


def read(folder: Path, rounds: int) -> dict[str, Any]:
    """Samples for each CPU second and wall second by case: passes of all cases in turns, the medians of them."""
    side = str(folder / "side.parquet")
    where, texts = {"side": (side,), "where": "motion >= 0"}, {"texts": f"{side}:caption"}
    uses = {"none": {}, "where": where, "texts": texts, "where and texts": where | texts}
    feeds, found = {}, {}
    for name, fields in uses.items():
        dataset = DatasetConfig(name="small", path=str(folder), **fields)
        began = time.process_time()
        feeds[name] = open_feed(dataset, LoaderConfig(blend=(dataset,), batch_size=AT_ONCE))
        found[name] = {"opening_cpu_s": time.process_time() - began}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in feeds}
    for number in range(rounds + 1):  # the first one warms up
        for name, feed in [*feeds.items()][:: 1 if number % 2 else -1]:
            start, cpu = time.perf_counter(), time.process_time()
            read_pass(feed, number)
            if number:
                times[name].append((time.process_time() - cpu, time.perf_counter() - start))
    for name, of_passes in times.items():
        cpu, wall = (statistics.median(column) for column in zip(*of_passes, strict=True))
        found[name] |= {"us_cpu": 1e6 * cpu / SAMPLES, "us": 1e6 * wall / SAMPLES}
        ratios = [own / none for (own, _), (none, _) in zip(of_passes, times["none"], strict=True)]
        found[name]["cpu_by_none"] = statistics.median(ratios)
    return found


def read_pass(feed: Feed, number: int) -> None:
    """Fetch and parse all elements of a pass."""
    for first in range(number * SAMPLES, (number + 1) * SAMPLES, AT_ONCE):
        at = feed.order.at(np.arange(first, first + AT_ONCE))
        _, rows = feed.unrepeat(at.pass_, at.shard, at.row)
        for shard, fetched in zip(at.shard.tolist(), feed.reader.take(feed.reader.find(at.shard, rows)), strict=True):
            assert not isinstance(fetched, SampleError)
            feed.reader.sample(feed.reader.origin_of(shard, fetched.sample), shard, fetched, _no_draw)


def _no_draw() -> np.random.Generator:
    raise AssertionError("records are planned")


def memory(folder: str, where: str) -> dict[str, float]:
    """Bytes a row that opening adds, and at most adds; megabytes of captions that are kept."""
    index = Index.open(open_source(folder))
    side = str(Path(folder) / "side.parquet")
    for _ in index.scan(["key", "num_records"]):
        pass
    pq.ParquetFile(side).read_row_group(0, columns=["key"])  # what reading any parquet file takes
    settings = SideSettings((side,)) if where else SideSettings(texts=f"{side}:caption")
    gc.collect()
    give_memory_back()
    before, began = resident("VmRSS"), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    tables = open_side_tables(index, settings, where or None)
    found = {"opening_cpu_s": time.process_time() - began}
    assert tables is not None
    found["most_bytes_a_row"] = (resident("VmHWM") - before) / ROWS
    gc.collect()
    found["bytes_a_row"] = (resident("VmRSS") - before) / ROWS
    found["columns_bytes_a_row"] = (
        float(sum(c.values.nbytes for c in tables._columns.values()) / ROWS) if where else 0.0
    )
    if tables.captions is not None:
        blocks = tables.captions._column.blocks
        order = Order(index.shards.num_samples, 0, "large", 16, 8192)
        came, began = blocks.num_read, time.process_time()
        for first in range(0, NUM_READ, AT_ONCE):
            at = order.at(np.arange(first, first + AT_ONCE))
            tables.captions.prefetch(at.shard.tolist(), at.row.tolist())
            for shard, row in zip(at.shard.tolist(), at.row.tolist(), strict=True):
                tables.captions.of(shard, row)
        found["us_a_caption"] = 1e6 * (time.process_time() - began) / NUM_READ
        found["kept_mb"] = tables._cache.held / 1e6
        found["groups_read"] = float(blocks.num_read - came)
    return found


def resident(what: str) -> int:
    """A field of /proc/self/status, bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) << 10


def write_small(folder: Path) -> None:
    rng = np.random.default_rng(0)
    facts = MediaFacts("image", "jpeg", 64, 64, 1)
    with DatasetWriter(folder, "small", PER_SHARD) as writer:
        for i in range(SAMPLES):
            writer.write(f"{i:06d}", rng.bytes(MEDIA_BYTES), "jpg", [{"caption": caption(i)}], {}, facts)
    write_table(folder, {"motion": rng.random(SAMPLES, np.float32)})


def write_large(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    facts = MediaFacts("video", "h264", 320, 240, 250, 25.0, 10.0)
    entries = [
        ShardEntry(f"{s:06d}.tar", ROWS_PER_SHARD, ROWS_PER_SHARD, 10_240, f"{s:032x}")
        for s in range(ROWS // ROWS_PER_SHARD)
    ]

    def rows(shard: int) -> list[SampleRow]:
        numbers = range(shard * ROWS_PER_SHARD, (shard + 1) * ROWS_PER_SHARD)
        members = (MemberRow("json", 512, 200, 1), MemberRow("mp4", 1536, 100, 2))
        return [SampleRow(f"{i:09d}", members, 1, facts) for i in numbers]

    write_index(str(folder / "index.parquet"), (rows_table(s, rows(s)) for s in range(len(entries))))
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("large", entries, 0, {"tool": "benchmark"}))
    rng = np.random.default_rng(0)
    write_table(folder, {name: rng.random(ROWS) for name in "abc"})


def write_table(folder: Path, columns: dict[str, Any]) -> None:
    """A side table as our tools write it, with a caption for each sample."""
    index = Index.open(open_source(str(folder)))
    shard = np.repeat(index.shards.names, index.shards.num_samples)
    keys = pa.concat_arrays([table.column("key").combine_chunks() for _, _, table in index.scan(["key"])])
    captions = pa.array([caption(i + 1) for i in range(len(keys))])
    table = pa.table({"shard": shard.tolist(), "key": keys, **columns, "caption": captions})
    about = {"dataset": index.dataset["name"], "fingerprint": index.fingerprint}
    table = table.replace_schema_metadata({"side_of": json.dumps(about)})
    of_shard = int(index.shards.num_samples[0])
    file, rows = folder / "side.parquet", GROUP_ROWS // of_shard * of_shard
    pq.write_table(table, file, compression="zstd", row_group_size=rows, use_dictionary=["shard"])


def caption(number: int) -> str:
    return f"a caption of number {number} that says what is to be seen here"


if __name__ == "__main__":
    main()
