"""How long does a report take, and how large is it, at a thousand and at a million samples?

    python benchmarks/bench_report.py

A real shard of 1,000 samples (the clips of samples/ again and again, with captions) stands in the index under as many
names as are needed, with other keys; shards that are not the first are links to it. Timed are `python -m tools report`
with its defaults (48 clips, 10,000 texts, the list of all samples) and `tools verify` without annotation files.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import children_cpu_s, compare, run_case

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CAPTIONS = SAMPLES / "captions.json"
PER_SHARD = 1000


def report(num_samples: str) -> dict[str, float]:
    """Figures of the report of so many samples."""
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "data", Path(folder) / "report"
        make_dataset(data, int(num_samples))
        seconds = _run("report", str(data), "--out", str(out), "--json")
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        first = [out / "index.html", out / "page.js", out / "cards/0.js", out / "rows/0.js"]
        films = list((out / "media").iterdir())
        posters = sorted((path for path in films if path.suffix == ".jpg"), key=lambda path: int(path.stem))[:24]
        return {
            **{f"report_{name}": value for name, value in seconds.items()},
            "report_mb": size / 1e6,
            "first_page_kb": sum(path.stat().st_size for path in [*first, *posters]) / 1e3,
            "list_mb": sum(path.stat().st_size for path in (out / "rows").iterdir()) / 1e6,
        }


def verify(num_samples: str) -> dict[str, float]:
    """Figures of the check of so many samples, all of whose texts are read."""
    with tempfile.TemporaryDirectory() as folder:
        make_dataset(Path(folder) / "data", int(num_samples))
        return _run("verify", str(Path(folder) / "data"), "--decode", "0", "--json")


def _run(*words: str) -> dict[str, float]:
    import subprocess

    wall, cpu = time.perf_counter(), children_cpu_s()
    subprocess.run([sys.executable, "-m", "tools", *words], check=True, capture_output=True)
    return {"s": time.perf_counter() - wall, "cpu_s": children_cpu_s() - cpu}


def make_dataset(folder: Path, num_samples: int) -> None:
    """A dataset of so many samples, a multiple of 1,000, whose shards are all the same bytes."""
    import json

    import numpy as np
    import pyarrow as pa

    from shards.dataset import DatasetWriter, Index
    from shards.dataset.index.dataset_file import dataset_json
    from shards.dataset.index.schema import index_schema
    from shards.dataset.index.shard_table import ShardEntry
    from shards.dataset.index.shards_file import write_shards
    from shards.dataset.index.write_index import write_index
    from shards.media import probe_table
    from shards.storage import open_source

    captions = {Path(str(one["file"])).name: one["captions"][0] for one in json.loads(CAPTIONS.read_text())}
    clips = [path for path in sorted((SAMPLES / "videos").iterdir()) if path.stat().st_size < 120_000]
    facts = [probe_table(path.read_bytes(), path.name)[0] for path in clips]
    with DatasetWriter(folder, "bench", PER_SHARD) as writer:
        for number in range(PER_SHARD):
            at = number % len(clips)
            records = [{"caption": f"{captions[clips[at].name]} {number}"}]
            writer.write(f"{number:09d}", clips[at].read_bytes(), clips[at].suffix[1:], records, {}, facts[at])
    index = Index.open(open_source(str(folder)))
    table, shards = index.table(0).select(index_schema().names), index.shards
    count = num_samples // PER_SHARD
    names = [f"{number:06d}.tar" for number in range(count)]
    entries = [
        ShardEntry(name, PER_SHARD, int(shards.num_elements[0]), int(shards.bytes[0]), shards.checksums[0])
        for name in names
    ]
    for name in names[1:]:
        os.link(folder / names[0], folder / name)

    def tables() -> Iterator[Any]:
        for number in range(count):
            keys = [f"{number * PER_SHARD + row:09d}" for row in range(PER_SHARD)]
            own = table.set_column(0, "shard", pa.array(np.full(PER_SHARD, number, np.int32)))
            yield own.set_column(1, "key", pa.array(keys)).cast(index_schema())

    content = write_index(str(folder / "index.parquet"), tables(), num_samples)
    write_shards(str(folder / "shards.parquet"), entries)
    (folder / "dataset.json").write_bytes(dataset_json("bench", entries, 0, {}, content=content))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"report": report, "verify": verify}, sys.argv[2:])
    else:
        sizes = {"1,000": "1000", "1,000,000": "1000000"}
        compare("report", __file__, {label: ["report", size] for label, size in sizes.items()}, repeats=1)
        compare("verify", __file__, {label: ["verify", size] for label, size in sizes.items()}, repeats=1)
