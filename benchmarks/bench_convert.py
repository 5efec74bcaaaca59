"""How fast does a build convert, beside `tar` over the same files, and what does a file cost by part?

    python benchmarks/bench_convert.py           # 100 files of 10 MB without facts beside tar; parts of clips, pictures
    python benchmarks/bench_convert.py parts     # the parts alone

Both read the same files, which the page cache holds, and write to the same disk; `tar` is followed by `sync` of its
file, as a shard is synced. The parts are CPU ms a file: reading, probing (facts and GOP table), checksums and writing,
rows and index; of clips and pictures of samples/, repeated.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from harness import children_cpu_s, compare, run_case, timed

NUM_LARGE, LARGE_BYTES = 60, 10_000_000
NUM_SMALL = 400
ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(tempfile.gettempdir()) / f"bench-convert-{os.getuid()}"


def _large() -> list[Path]:
    FOLDER.mkdir(exist_ok=True)
    paths = [FOLDER / f"{number:04d}.mp4" for number in range(NUM_LARGE)]
    for path in paths:
        if not path.exists():
            path.write_bytes(os.urandom(LARGE_BYTES))
    return paths


def _rows(paths: Iterable[Path]) -> Iterator[Any]:
    from tools.rows import Row

    for number, path in enumerate(paths):
        yield Row(f"line {number}", f"{number:06d}", ({"caption": f"clip {number}"},), {"id": path.name}, path)


def ours() -> dict[str, float]:
    """A build of the large files without facts, with a thread for each core, after one of a single file, which loads
    the libraries."""
    from tools.building.build import build
    from tools.building.load import Treatment

    found: dict[str, float] = {}
    paths = _large()
    with tempfile.TemporaryDirectory() as out:
        build(_rows(paths[:1]), out, "d", "a.csv", treatment=Treatment(facts=False))
    with tempfile.TemporaryDirectory() as out, timed(found, "run"):
        report = build(_rows(paths), out, "d", "a.csv", treatment=Treatment(facts=False))
    assert report.num_samples == NUM_LARGE
    return {**found, "mb_per_s": report.bytes / found["run_s"] / 1e6}


def tar() -> dict[str, float]:
    """The same files by tar."""
    paths, before = _large(), children_cpu_s()
    with tempfile.TemporaryDirectory() as out:
        begin = time.perf_counter()
        words = ["tar", "-cf", f"{out}/a.tar", "-C", str(FOLDER), *(path.name for path in paths)]
        subprocess.run(words, check=True)
        subprocess.run(["sync", f"{out}/a.tar"], check=True)
        seconds = time.perf_counter() - begin
    return {
        "run_s": seconds,
        "run_cpu_s": children_cpu_s() - before,
        "mb_per_s": NUM_LARGE * LARGE_BYTES / seconds / 1e6,
    }


def parts(kind: str) -> dict[str, float]:
    """CPU ms a file of each part of a build of "clips" or "pictures", in one thread."""
    from tools.building.build import build
    from tools.building.load import Treatment, load

    pattern = "videos/**/*.mp4" if kind == "clips" else "images/*.jpg"
    sources = sorted((ROOT / "samples").glob(pattern))
    paths = [sources[number % len(sources)] for number in range(NUM_SMALL)]

    def inline(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        yield from map(work, items)

    found: dict[str, float] = {"kb": sum(path.stat().st_size for path in paths) / NUM_SMALL / 1e3}
    with tempfile.TemporaryDirectory() as out:
        for name, treatment in (("whole", Treatment()), ("no_facts", Treatment(facts=False))):
            build(_rows(paths[:20]), f"{out}/warm-{name}", "d", "a.csv", treatment=treatment, engine=inline)
            begin = time.process_time()
            build(_rows(paths), f"{out}/{name}", "d", "a.csv", treatment=treatment, engine=inline)
            found[f"{name}_ms"] = (time.process_time() - begin) * 1e3 / NUM_SMALL
    for name, treatment in (("load", Treatment()), ("load_no_facts", Treatment(facts=False))):
        begin = time.process_time()
        for row in _rows(paths):
            load(row, "a.csv", treatment)
        found[f"{name}_ms"] = (time.process_time() - begin) * 1e3 / NUM_SMALL
    begin = time.process_time()
    for path in paths:
        path.read_bytes()
    found["read_ms"] = (time.process_time() - begin) * 1e3 / NUM_SMALL
    return {
        "kb": found["kb"],
        "whole_ms": found["whole_ms"],
        "read_ms": found["read_ms"],
        "probe_ms": found["load_ms"] - found["load_no_facts_ms"],
        "write_ms": found["no_facts_ms"] - found["load_no_facts_ms"],
        "beyond_reading_ms": found["whole_ms"] - found["read_ms"],
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"ours": ours, "tar": tar, "parts": parts}, sys.argv[2:])
    else:
        if sys.argv[1:2] != ["parts"]:
            compare("Converting 10 MB files", __file__, {"tools build": ["ours"], "tar": ["tar"]}, repeats=5)
        compare("CPU ms a file", __file__, {kind: ["parts", kind] for kind in ("clips", "pictures")}, repeats=3)
