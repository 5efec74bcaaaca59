"""What does it cost the host to give a clip to a GPU: CPU time per clip, and does it hold the interpreter's lock?

    PYTHONPATH=. python benchmarks/host_cost.py [--clips 1000] [--rounds 3] [--json FILE]

own       clips of the profile h264_256 with their GOP tables, as an index has them (shards/decode/packing/pack.py)
foreign   the MP4 and MOV of the test corpus (see MCG_CORPUS in CONTRIBUTING.md), else of samples/, with GOP tables
remuxed   the same without GOP tables (shards/decode/packing/remux.py)

Eight frames of each clip; the plan is made too. cpu_ms: median of all clips in one thread; two_threads: clips per
second of two threads beside one, 2 if nothing holds the interpreter's lock (on a quiet machine with two cores); kept:
share of the file's bytes that DALI is given. Needs no GPU.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from clips import footage
from harness import arguments, ask, beside, run_case, save_json

from shards.decode.decoder import Unsuitable
from shards.decode.packing.pack import pack
from shards.decode.packing.remux import remux
from shards.media import ClipConfig, KeyFrames, MediaFacts, plan_clip
from shards.media.partial import PartialMedium
from shards.media.probe import probe_table
from shards.media.videos.seekable import usable

CONFIG = ClipConfig(num_frames=8, size=224, sampling="segment")


class Clip(NamedTuple):
    data: bytes
    facts: MediaFacts
    table: KeyFrames


def _clips(kind: str) -> list[Clip]:
    found = []
    for path in footage():
        if path.suffix not in (".mp4", ".mov"):
            continue
        data = path.read_bytes()
        if kind == "own":
            if len(found) == 12:
                break
            from tools.media.profiles import PROFILES
            from tools.media.transcode import transcode

            data = transcode(data, path.suffix[1:], PROFILES["h264_256"]).media
        facts, rows = probe_table(data, "x.mp4")
        table = KeyFrames.of(rows).without_marks()
        if usable(table, len(data)):
            found.append(Clip(data, facts, table))
    return found


def _prepare(kind: str, clip: Clip, number: int) -> int | None:
    """The bytes that DALI is given; None: the clip goes another way."""
    plan = plan_clip(clip.facts, CONFIG, np.random.default_rng(number))
    try:
        if kind == "remuxed":
            return len(remux(clip.data, plan.frames, True).data)
        packed = pack(PartialMedium.of_bytes(clip.data, clip.table), plan.frames)
    except Unsuitable:
        return None
    return None if packed is None else len(packed.data)


def host(kind: str, count: str) -> dict[str, float]:
    clips = _clips(kind)
    clips = [clip for clip in clips if _prepare(kind, clip, 0) is not None]
    cpu, kept = [], []
    for number in range(int(count)):
        clip = clips[number % len(clips)]
        start = time.thread_time()
        size = _prepare(kind, clip, number)
        cpu.append(1000 * (time.thread_time() - start))
        if size is not None:
            kept.append(size / len(clip.data))

    def work(first: int) -> None:
        for number in range(first, first + int(count) // 2):
            _prepare(kind, clips[number % len(clips)], number)

    def rate(threads: int) -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(threads)))
        return threads / (time.perf_counter() - start)

    return {
        "clips": len(clips),
        "cpu_ms": statistics.median(cpu),
        "cpu_ms_p90": float(np.percentile(cpu, 90)),
        "two_threads": rate(2) / rate(1),
        "kept": statistics.median(kept),
    }


def main() -> None:
    options = arguments(__doc__, rounds=3, data=str(Path(tempfile.gettempdir(), "mcg-gpu")))
    options.add_argument("--clips", type=int, default=1000, help="clips of each case")
    options.add_argument("--case", nargs="+", help="one case in this process")
    chosen = options.parse_args()
    cases: dict[str, Callable[..., dict[str, float]]] = {"host": host}
    if chosen.case:
        return run_case(cases, chosen.case)
    command = [sys.executable, __file__, "--case", "host"]
    questions: dict[str, Any] = {
        kind: partial(ask, [*command, kind, str(chosen.clips)], 600) for kind in ("own", "foreign", "remuxed")
    }
    save_json(chosen.json, beside("host cost", questions, chosen.rounds))
    return None


if __name__ == "__main__":
    main()
