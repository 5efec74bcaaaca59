"""How much faster are two Ray workers than one, and what do tasks cost beside threads?

    python benchmarks/bench_ray.py

The clips of samples/, three times over, are transcoded (h264_256) by a local Ray of 1, 2 and 4 workers of one CPU, and
by one thread; the digest of the shards has to be the same. Time from the first row to the last, without Ray's start;
CPU of the workers is not in that of the process.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import compare, run_case, timed

ROOT = Path(__file__).resolve().parent.parent
COPIES = 3


def _rows() -> Iterator[Any]:
    from tools.rows import Row

    for number, path in enumerate(sorted((ROOT / "samples/videos").rglob("*.mp4")) * COPIES):
        yield Row(f"line {number}", f"{number:06d}", ({"caption": f"clip {number}"},), {"id": path.name}, path)


def case(workers: str) -> dict[str, float]:
    """Transcode by so many Ray workers; 0: by a thread."""
    from shards.base import ray_cluster, threads
    from tools.building.build import build
    from tools.building.load import Treatment
    from tools.media.profiles import find_profile

    treatment, found = Treatment(find_profile("h264_256")), dict[str, float]()
    with tempfile.TemporaryDirectory() as out:
        if workers == "0":
            with timed(found, "run"):
                build(_rows(), out, "d", "a.csv", treatment=treatment, engine=threads(1))
        else:
            os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
            import ray

            ray.init(num_cpus=int(workers), include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
            with ray_cluster("auto") as engine:
                list(engine(abs, range(8 * int(workers))))  # workers are started
                with timed(found, "run"):
                    build(_rows(), out, "d", "a.csv", treatment=treatment, engine=engine)
        digest = hashlib.blake2b(b"".join(path.read_bytes() for path in sorted(Path(out).glob("*.tar"))))
    return {**found, "digest": float(int(digest.hexdigest()[:8], 16))}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"case": case}, sys.argv[2:])
    else:
        compare("Transcoding by Ray", __file__, {f"{n} workers": ["case", n] for n in ("0", "1", "2", "4")}, repeats=3)
