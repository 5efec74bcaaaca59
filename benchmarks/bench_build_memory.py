"""How much memory does a build take as its rows grow, and how long does its plan take?

    python benchmarks/bench_build_memory.py              # 10^3 and 10^5 rows, builds and plans
    python benchmarks/bench_build_memory.py 1000000      # 10^3 and this many

A csv with a key and a caption for each row, over 1000 media of 64 bytes (not probed). Peak RSS of a fresh process, by
getrusage; what it holds on disk is deleted at its end.
"""

from __future__ import annotations

import csv
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import compare, run_case, timed

NUM_FILES = 1000


def _write_csv(folder: Path, num_rows: int) -> Path:
    for number in range(NUM_FILES):
        (folder / f"{number}.mp4").write_bytes(b"%064d" % number)
    path = folder / "rows.csv"
    with open(path, "w") as file:
        for row in range(num_rows):
            file.write(f"{row * 7919 % 10**9},a clip of some thing with the number {row}\n")
    return path


def _rows(path: Path) -> Iterator[Any]:
    from tools.rows import Row

    with open(path) as file:
        for number, (key, caption) in enumerate(csv.reader(file)):
            medium = path.parent / f"{number % NUM_FILES}.mp4"
            yield Row(f"line {number + 1}", key, ({"caption": caption},), {"id": key}, medium)


def case(verb: str, num_rows: str) -> dict[str, float]:
    """Build or plan so many rows."""
    from tools.building.build import build
    from tools.building.load import Treatment
    from tools.building.plan import plan

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = _write_csv(Path(folder), int(num_rows))
        with timed(found, "run"):
            if verb == "build":
                report = build(_rows(path), f"{folder}/out", "d", path.name, treatment=Treatment(facts=False))
            else:
                report = plan(_rows(path), f"{folder}/out", "d", path.name, samples_per_shard=1000)
    assert report.num_samples == int(num_rows), report
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**found, "cpu_us_a_row": found["run_cpu_s"] * 1e6 / int(num_rows), "peak_mb": peak / 1e3}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"case": case}, sys.argv[2:])
    else:
        sizes = ["1000", *(sys.argv[1:] or ["100000"])]
        cases = {f"{verb} of {rows}": ["case", verb, rows] for verb in ("build", "plan") for rows in sizes}
        compare("Memory of a build", __file__, cases, repeats=1)
