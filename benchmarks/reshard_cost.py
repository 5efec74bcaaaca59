"""How much CPU and memory does `tools reshard` take, beside `tar` over the same bytes?

    python benchmarks/reshard_cost.py

The tar of 4,000 pictures of index_cost.py (53 kB each) and one of 20 files of 10 MB, indexed; copied by `reshard` with
one thread, in order and shuffled, and packed by GNU tar from unpacked files. CPU seconds of the process, in the page
cache. And the plan alone of 1,000,000 samples: two passes over an index, keys checked and the order sorted aside.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from harness import children_cpu_s, compare, run_case, timed
from index_cost import pack


def index(folder: Path) -> None:
    """Make the index of a folder of tars, whose media may be any bytes."""
    from shards.dataset.indexing.indexer import index_tars

    index_tars(str(folder), jobs=1)


def pack_large(path: Path) -> None:
    """Write a tar of 20 samples of 10 MB, and its files beside."""
    path.parent.mkdir()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for key in range(20):
            for ext, data in (("mp4", os.urandom(10_000_000)), ("txt", b"a caption")):
                file = path.parent.parent / "file"
                file.write_bytes(data)
                tar.add(file, f"{key:09d}.{ext}")


def copy(folder: str, seed: str) -> dict[str, float]:
    """CPU of one copy; facts are claimed, so that nothing is probed."""
    from shards.base.engines import threads
    from tools.reshard import copied
    from tools.reshard.reshard import Arrangement, reshard

    copied._completed = lambda row, data, rules: row  # type: ignore[assignment]
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as out:
        arrangement = Arrangement(seed=int(seed) if seed else None)
        reshard([folder], f"{out}/first", arrangement, engine=threads(1))  # imports, and the page cache
        with timed(numbers, "copy"):
            report = reshard([folder], f"{out}/new", arrangement, engine=threads(1))
    cpu = numbers["copy_cpu_s"]
    return {"cpu_ms_per_sample": 1000 * cpu / report.num_samples, "cpu_s_per_GB": 1e9 * cpu / report.bytes}


def gnu_tar(folder: str) -> dict[str, float]:
    """CPU of GNU tar over the unpacked files."""
    (path,) = Path(folder).glob("*.tar")
    with tempfile.TemporaryDirectory() as place:
        os.mkdir(f"{place}/files")
        subprocess.run(["tar", "-xf", path, "-C", f"{place}/files"], check=True)
        before = children_cpu_s()
        subprocess.run(["tar", "--sort=name", "-cf", f"{place}/new.tar", "-C", f"{place}/files", "."], check=True)
        cpu, size = children_cpu_s() - before, os.stat(f"{place}/new.tar").st_size
        count = len(os.listdir(f"{place}/files")) // 2
    return {"cpu_ms_per_sample": 1000 * cpu / count, "cpu_s_per_GB": 1e9 * cpu / size}


def plan(folder: str) -> dict[str, float]:
    """CPU and peak memory of checking the keys and making a shuffled order of all samples of an index."""
    from tools.reshard.order import check_keys, places
    from tools.reshard.source import open_sources

    sources = open_sources([folder])
    start = time.process_time()
    check_keys(sources)
    checked = time.process_time()
    count = sum(1 for _ in places(sources, None, 1))
    found = {"check_cpu_s": checked - start, "order_cpu_s": time.process_time() - checked, "samples": count}
    return {**found, "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"copy": copy, "tar": gnu_tar, "plan": plan}, sys.argv[2:])
    else:
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        from tests.tools.reshard.test_order import write_rows

        with tempfile.TemporaryDirectory() as folder:
            pack(Path(folder) / "pictures" / "0.tar", "images/*.jpg", 4_000)
            pack_large(Path(folder) / "large" / "0.tar")
            cases = {}
            for name in ("pictures", "large"):
                index(Path(folder) / name)
                for how, seed in (("in order", ""), ("shuffled", "1")):
                    cases[f"{name}, {how}"] = ["copy", f"{folder}/{name}", seed]
                cases[f"{name}, tar"] = ["tar", f"{folder}/{name}"]
            compare("CPU of copying", __file__, cases, repeats=3)
            plans = {}
            for thousands in (10, 1000):
                place = write_rows(Path(folder) / f"rows{thousands}", thousands // 10, 10_000)
                plans[f"{thousands},000 samples"] = ["plan", place]
            compare("Plan of an order", __file__, plans, repeats=1)
