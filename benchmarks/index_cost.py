"""How much CPU does indexing cost per medium, with media facts and without?

    python benchmarks/index_cost.py

Two tars in the page cache: 1,000 clips (the MP4s of samples/, 69 to 264 kB) and 4,000 pictures (its JPEGs, 16 to
95 kB), each with a caption, read in one process by `index_tars` with checksums and records alone ("no media"), and with
facts and GOP tables too. CPU seconds of the run without imports.
"""

from __future__ import annotations

import io
import itertools
import sys
import tarfile
import tempfile
from pathlib import Path

from harness import compare, run_case, timed

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
CASES = {"clips": ("videos/*.mp4", 1_000), "pictures": ("images/*.jpg", 4_000)}


def pack(path: Path, pattern: str, number: int) -> None:
    """Write a tar of so many media with captions."""
    media = [file.read_bytes() for file in sorted(SAMPLES.glob(pattern))]
    path.parent.mkdir()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for key, data in enumerate(itertools.islice(itertools.cycle(media), number)):
            for ext, content in ((pattern.rpartition(".")[2], data), ("txt", b"a caption of some words")):
                info = tarfile.TarInfo(f"{key:09d}.{ext}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def index(folder: str, media: str) -> dict[str, float]:
    """CPU of one run."""
    from shards.dataset.indexing.indexer import index_tars
    from shards.dataset.tars.looks import Looks

    looks = Looks(media=media == "media")
    with tempfile.TemporaryDirectory() as out:
        index_tars(f"{folder}/../warm-up", f"{out}/0", looks=looks)
        numbers: dict[str, float] = {}
        with timed(numbers, "index"):
            report = index_tars(folder, f"{out}/1", looks=looks)
    assert not report.num_quarantined
    cpu = numbers["index_cpu_s"]
    ms, gb = 1000 * cpu / report.num_samples, report.bytes / 1e9
    return {"cpu_ms_per_sample": ms, "kB_per_sample": 1e6 * gb / report.num_samples, "cpu_s_per_GB": cpu / gb}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"index": index}, sys.argv[2:])
    else:
        with tempfile.TemporaryDirectory() as folder:
            pack(Path(folder) / "warm-up" / "0.tar", "videos/*.mp4", 2)
            for name, (pattern, number) in CASES.items():
                pack(Path(folder) / name / "0.tar", pattern, number)
            cases = {
                f"{name}, {how}": ["index", f"{folder}/{name}", how] for name in CASES for how in ("no media", "media")
            }
            compare("CPU of indexing", __file__, cases, repeats=3)
