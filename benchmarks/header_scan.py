"""How fast are the members of a tar listed, with all checks?

    python benchmarks/header_scan.py

One local tar of 10,000 samples (20 KB and 100 bytes each) in the page cache, against the standard library's walk.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from pathlib import Path

from data import random_tar
from harness import compare, run_case, timed

NUM_SAMPLES = 10_000


def ours(path: str) -> dict[str, float]:
    from shards.dataset.tars.tar import scan

    numbers: dict[str, float] = {}
    with timed(numbers, "scan"):
        members = scan(path)
    return _rate(numbers, len(members))


def standard_library(path: str) -> dict[str, float]:
    numbers: dict[str, float] = {}
    with timed(numbers, "scan"), tarfile.open(path) as tar:
        members = tar.getmembers()
    return _rate(numbers, len(members))


def _rate(numbers: dict[str, float], num_members: int) -> dict[str, float]:
    assert num_members == 2 * NUM_SAMPLES
    return {**numbers, "members_per_cpu_s": num_members / numbers["scan_cpu_s"]}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"ours": ours, "tarfile": standard_library}, sys.argv[2:])
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = str(random_tar(Path(folder) / "000000.tar", NUM_SAMPLES))
            compare("header scan", __file__, {"ours": ["ours", path], "tarfile": ["tarfile", path]})
