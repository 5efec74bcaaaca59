"""Does a training step wait less for its batch when the clips that the index says are dearest are decoded first?

    PYTHONPATH=. python benchmarks/costly_first.py [--load 0.9] [--batch 16] [--rounds 3] [--data FOLDER] [--json FILE]

The mixed corpus: MP4, WebM, MKV, MOV and AVI files of the test corpus (MCG_CORPUS, or samples/videos), up to two
megapixels and a minute, each decoded once for clips of 8 frames of 224x224, so that its CPU time is known. Then the
public loader reads a dataset of them, shuffled, with a decoder that sleeps for a quarter of that time: so waiting is
that of a machine with a core for each thread, whatever this one has. Steps are so long that decoding keeps the threads
busy for the share --load of the time. Three datasets of the same samples in the same order differ in the facts of their
index alone:

in order        all facts are equal, so every batch is decoded in its order
dearest first   the real facts and GOP tables, from which shards/read/cost.py estimates
true cost       facts that make the estimate the measured cost: the most that a better estimate could give

`ahead` are the batches made ahead (prefetch_batches), `wait` is how long a step waits for its batch, mean and 99th
percentile, in milliseconds of the real costs; `ratio` that in order by that of the other, of the same round.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from harness import arguments, ask, machine, run_case, save_json
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
ORDERS = ("in order", "dearest first", "true cost")
THREADS, AHEAD = (2, 4, 8, 16), (1, 2, 4)
NUM_SAMPLES, PER_SHARD = 2000, 250
SCALE = 0.25
"""Seconds slept for a second of decoding."""
TELLS_NOTHING_MS = 2.0
"""Of mean waits below this no ratio is told: half of it is the loader's own time, which is not slept."""


def prepare(folder: Path) -> None:
    """Measure the corpus, and write the datasets that are missing."""
    from shards import DatasetWriter
    from shards.media.facts import KeyFrames
    from shards.media.probe import probe_key_frames

    videos = Path(os.environ.get("MCG_CORPUS", ROOT.parent / "shared" / "corpus")) / "videos"
    if not videos.is_dir():
        videos = ROOT / "samples" / "videos"
    files = sorted(path for path in videos.iterdir() if path.suffix in (".mp4", ".webm", ".mkv", ".mov", ".avi"))
    note = folder / "costs.json"
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({path.name: _seconds(path) for path in files}))
    costs = json.loads(note.read_text())
    probed = [probe_key_frames(path.read_bytes(), path.name) for path in files]
    for order in ORDERS:
        if (folder / order / "dataset.json").exists():
            continue
        with DatasetWriter(folder / order, "mixed", samples_per_shard=PER_SHARD, key_frames=True) as writer:
            for number in range(NUM_SAMPLES):
                path, (facts, keys) = files[number % len(files)], probed[number % len(files)]
                table = KeyFrames.of(keys)
                if order != "dearest first":
                    frames = round(1e6 * costs[path.name]) if order == "true cost" else 1
                    facts, table = replace(facts, width=1, height=1, num_frames=frames), KeyFrames([], [], [])
                media = f"{costs[path.name]:.6f}".encode()
                writer.write(f"{number:05d}", media, "mp4", [{"caption": path.stem}], {}, facts, table)


def _seconds(path: Path) -> float:
    """CPU seconds of decoding a clip of the file, the mean of three drawn ones."""
    from shards import ClipConfig, plan_clip
    from shards.decode.cpu import decode
    from shards.media.facts import KeyFrames
    from shards.media.partial import PartialMedium
    from shards.media.probe import probe_key_frames
    from shards.media.videos.seekable import SEEKABLE_CODECS, SEEKABLE_EXTENSIONS, usable

    data, config = path.read_bytes(), ClipConfig(num_frames=8, size=224, sampling="segment")
    facts, found = probe_key_frames(data, path.name)
    keys = KeyFrames.of(found).without_marks()
    seeks = facts.codec in SEEKABLE_CODECS and path.suffix[1:] in SEEKABLE_EXTENSIONS and usable(keys, len(data))
    took = 0.0
    for number in range(3):
        plan = plan_clip(facts, config, np.random.default_rng(number))
        begin = time.thread_time()
        decode(PartialMedium.of_bytes(data, keys) if seeks else data, "video", plan)
        took += time.thread_time() - begin
    return took / 3


def read(path: str, threads: str, ahead: str, load: str, batch: str, num_batches: str) -> dict[str, float]:
    """Steps of a consumer that sleeps instead of training; how long it waited for its batches."""
    from shards import EncodedClip, Loader, LoaderConfig
    from shards.decode.backends import BACKENDS
    from shards.decode.decoder import Backend
    from shards.media.clip_plan import ClipPlan

    pixel, plan = np.zeros((1, 1, 1, 3), np.uint8), ClipPlan((0,), (1, 1), (0, 0, 1, 1))
    tokens = {"ids": np.zeros(1, np.int64)}

    def sleep(media: Any, kind: str, plan: Any) -> Any:
        time.sleep(SCALE * float(media))
        return pixel

    def encode(sample: Any, rng: Any) -> EncodedClip:
        return EncodedClip(sample.media, "video", plan, tokens, {})

    BACKENDS["auto"] = lambda count, settings: Backend("asleep", sleep)
    costs = json.loads((Path(path).parent / "costs.json").read_text())
    step = SCALE * float(np.mean(list(costs.values()))) * int(batch) / int(threads) / float(load)
    blend = [{"name": "mixed", "path": path}]
    settings = {"blend": blend, "batch_size": int(batch), "threads": int(threads), "prefetch_batches": int(ahead)}
    waits = []
    with Loader(LoaderConfig.model_validate(settings), 0, 1, encode) as loader:
        for number in range(int(ahead) + 4 + int(num_batches)):
            begin = time.perf_counter()
            next(loader)
            if number >= int(ahead) + 4:
                waits.append(time.perf_counter() - begin)
            time.sleep(step)
    real = 1e3 / SCALE
    return {
        "wait_ms": real * float(np.mean(waits)),
        "p99_ms": real * float(np.quantile(waits, 0.99)),
        "step_ms": real * step,
    }


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-peers-data/costly-first")
    options.add_argument("--load", type=float, default=0.9, help="share of the time for which threads are busy")
    options.add_argument("--batch", type=int, default=16, help="clips of a batch")
    options.add_argument("--batches", type=int, default=150, help="batches of a measurement")
    chosen = options.parse_args()
    prepare(chosen.data)
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(chosen.rounds):
        for threads in THREADS:
            for ahead in AHEAD:
                for order in ORDERS:
                    given = (chosen.data / order, threads, ahead, chosen.load, chosen.batch, chosen.batches)
                    answer = ask([sys.executable, __file__, "--case", "read", *map(str, given)])
                    found.setdefault(f"{threads}, {ahead}, {order}", []).append(answer)
    _tell(chosen, found)


def _tell(chosen: Any, found: dict[str, list[dict[str, float]]]) -> None:
    names = ("in order", "p99", "dearest first", "p99", "ratio", "true cost", "ratio")
    title = (
        f"wait for a batch, ms; load {chosen.load} (median of {chosen.rounds} rounds, ratios with least and greatest)"
    )
    table = Table("threads", "ahead", "step", *names, title=title)
    cases: dict[str, Any] = {}
    for threads in THREADS:
        for ahead in AHEAD:
            first, dearest, true = (found[f"{threads}, {ahead}, {order}"] for order in ORDERS)
            own: dict[str, Any] = {
                "step_ms": first[0]["step_ms"],
                **{f"in_order_{name}": median(run[name] for run in first) for name in ("wait_ms", "p99_ms")},
                **{f"dearest_first_{name}": median(run[name] for run in dearest) for name in ("wait_ms", "p99_ms")},
                "true_cost_wait_ms": median(run["wait_ms"] for run in true),
                "ratio": _ratio(first, dearest),
                "true_cost_ratio": _ratio(first, true),
            }
            cases[f"{threads} threads, {ahead} ahead"] = own
            cells = (_cell(value) for value in own.values())
            step, wait, p99, other_wait, other_p99, best, ratio, best_ratio = cells
            table.add_row(str(threads), str(ahead), step, wait, p99, other_wait, other_p99, ratio, best, best_ratio)
    Console(width=max(Console().width, 160)).print(table)
    settings = {name: getattr(chosen, name) for name in ("rounds", "load", "batch", "batches")}
    result = {"benchmark": "costly first", "machine": machine(), **settings, "cases": cases}
    print(json.dumps(result))
    save_json(chosen.json, result)


def _ratio(first: list[dict[str, float]], other: list[dict[str, float]]) -> list[float]:
    """[median, least, greatest] of the rounds; empty where waits are too short to tell."""
    if median(run["wait_ms"] for run in first) < TELLS_NOTHING_MS:
        return []
    each = [a["wait_ms"] / b["wait_ms"] for a, b in zip(first, other, strict=True)]
    return [median(each), min(each), max(each)]


def _cell(value: float | list[float]) -> str:
    if isinstance(value, list):
        return "{:.2f} ({:.2f} to {:.2f})".format(*value) if value else "-"
    return f"{value:.1f}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"read": read}, sys.argv[2:])
    else:
        main()
