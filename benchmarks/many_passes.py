"""A small set that is read for many passes: which form of storage, and after how many passes has it paid?

    PYTHONPATH=. python benchmarks/many_passes.py [--rounds 5] [--seconds 4] [--data FOLDER] [--json FILE]

Needs ffcv (docs/ffcv.md). 48 clips of real footage (clips.py), 10 s of H.264, 640x360, a key frame every 60 frames, as
they are (`native`), and four forms made of them: `transcoded` (profile h264_256: short side 256, a key frame every 8
frames), `frame samples` (16 JPEG pictures, short side 256), and 16 frames with a short side of 256 in a .beton, as
pixels (`beton raw`) and as JPEG (`beton jpg`). The whole loader reads them as in fine-tuning: 8 random frames, a random
crop of 224 pixels, one flip in two, batches of 16, two threads, checksums compared once; measured after a first pass,
so that files lie in the page cache. `raw, resized` is beton raw with a short side of 240 before the crop.

`made_cpu_s` is what making the form of all clips took, and `pays_after` the passes in which native spends more CPU than
making it and reading it. `open_ms` is the wall time until a loader is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench_loader import write_dataset
from clips import make
from harness import arguments, ask, beside, children_cpu_s, run_case, save_json

NUM_SAMPLES, NUM_STORED, SHORT_SIDE = 48, 16, 256
NUM_FRAMES, SIZE, BATCH, THREADS = 8, 224, 16, 2
EXPORT = ("export-ffcv", "{native}", "{form}.beton", "--num-frames", str(NUM_STORED), "--short-side", str(SHORT_SIDE))
FORMS = {
    "transcoded": ("transcode", "{native}", "{form}", "--profile", "h264_256", "--compare", "0"),
    "frames": (
        *("transcode", "{native}", "{form}", "--profile", "frames_16", "--short-side", str(SHORT_SIDE)),
        *("--compare", "0"),
    ),
    "raw": (*EXPORT, "--mode", "raw"),
    "jpg": (*EXPORT, "--mode", "jpg"),
}
"""Folder or file -> the words after `python -m tools` that make it of the native shards."""
CASES = {
    "native": ("native", SHORT_SIDE),
    "transcoded": ("transcoded", SHORT_SIDE),
    "frame samples": ("frames", SHORT_SIDE),
    "beton jpg": ("jpg.beton", SHORT_SIDE),
    "beton raw": ("raw.beton", SHORT_SIDE),
    "beton raw, resized": ("raw.beton", 240),
}
"""Label -> (folder or file, short side before the crop)."""
SHOWN = (*("clips_per_cpu_s", "clips_per_s", "megabytes", "open_ms", "made_cpu_s", "pays_after"),)


def prepare(clips: Path, folder: Path) -> None:
    """Make what is missing, and note what it took."""
    make(clips)
    native = folder / "native"
    if not (native / "dataset.json").exists():
        write_dataset(clips / "gop60", native, NUM_SAMPLES)
    for form, words in FORMS.items():
        note = folder / f"{form}.json"
        if note.exists():
            continue
        places = {"native": str(native), "form": str(folder / form)}
        command = [sys.executable, "-m", "tools", *(word.format(**places) for word in words)]
        before = children_cpu_s()
        subprocess.run(command, check=True, capture_output=True)
        note.write_text(json.dumps({"made_cpu_s": children_cpu_s() - before}))


def read(path: str, short_side: str, seconds: str) -> dict[str, float]:
    """Pass after pass for so many seconds."""
    begin = time.perf_counter()
    from shards import ClipConfig, EncodedClip, Loader, LoaderConfig, plan_clip

    config = ClipConfig(
        num_frames=NUM_FRAMES, size=SIZE, sampling="random", fit="random_crop", resize=int(short_side), flip=0.5
    )
    tokens = {"ids": np.zeros(8, np.int64)}

    def encode(sample: Any, rng: Any) -> EncodedClip:
        return EncodedClip(sample.media, sample.facts.kind, plan_clip(sample.facts, config, rng("clip")), tokens, {})

    dataset = {"name": "bench", "path": path, "source": "ffcv" if path.endswith(".beton") else "shards"}
    settings = {"blend": [dataset], "batch_size": BATCH, "threads": THREADS, "decode": "cpu"}
    with Loader(LoaderConfig.model_validate(settings), 0, 1, encode) as loader:
        opened = time.perf_counter() - begin
        batches = iter(loader)
        for _ in range(loader.num_elements // BATCH + 1):
            next(batches)
        wall, cpu, clips = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall < float(seconds):
            clips += len(next(batches).frames)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        assert not loader.stats.accounting.failed
    return {
        "clips_per_cpu_s": clips / cpu,
        "clips_per_s": clips / wall,
        "cpu_ms_per_clip": 1e3 * cpu / clips,
        "open_ms": 1e3 * opened,
    }


def case(folder: Path, name: str, short_side: int, seconds: float) -> dict[str, Any]:
    """The figures of a form, with what it takes on disk and took to make."""
    path = folder / name
    command = [sys.executable, __file__, "--case", str(path), str(short_side), str(seconds)]
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    note = folder / f"{path.stem}.json"
    made = json.loads(note.read_text()) if note.exists() else {"made_cpu_s": 0.0}
    return {**ask(command), "megabytes": sum(file.stat().st_size for file in files) / 1e6, **made}


def main() -> None:
    options = arguments(__doc__, rounds=5, data="/tmp/mcg-peers-data/decode")
    options.add_argument("--seconds", type=float, default=4.0, help="time of a measurement")
    chosen = options.parse_args()
    folder = chosen.data.parent / "many-passes"
    prepare(chosen.data, folder)
    native: dict[str, float] = {}

    def with_break_even(label: str, name: str, short_side: int) -> dict[str, Any]:
        figures = case(folder, name, short_side, chosen.seconds)
        if label == "native":
            native.update(figures)
            return figures
        saved = NUM_SAMPLES * (native["cpu_ms_per_clip"] - figures["cpu_ms_per_clip"]) / 1e3
        return {**figures, "pays_after": figures["made_cpu_s"] / max(saved, 1e-9)}

    cases = {label: partial(with_break_even, label, *how) for label, how in CASES.items()}
    others = {"beton raw": ("clips_per_cpu_s", lambda label: True)}
    save_json(chosen.json, beside("many passes", cases, chosen.rounds, others, SHOWN))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"read": read}, ["read", *sys.argv[2:]])
    else:
        main()
