"""What does each way to cut clips cost: planning them, and decoding them on the CPU?

    python benchmarks/clip_cost.py [VIDEO ...]

One after the other on one core, CPU milliseconds a clip of 4 frames of 224x224, of samples/videos or of the files that
are given, with their GOP tables as an index has them. Every case differs from the first, "uniform", in what it says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from harness import compare, run_case, timed

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5
CONFIGS: dict[str, dict[str, Any]] = {
    "uniform": {},
    "segment": {"sampling": "segment"},
    "fps, 4 a second": {"sampling": "fps", "fps": 4},
    "segment, 4 clips": {"sampling": "segment", "num_clips": 4},
    "segment, snapped": {"sampling": "segment", "snap": True},
    "random_crop of 256": {"fit": "random_crop", "resize": 256},
    "random_resized_crop": {"fit": "random_resized_crop"},
    "RandAugment, video": {"randaugment": {"num_ops": 2, "level": 5}},
    "RandAugment, image": {"randaugment": {"num_ops": 2, "level": 7, "space": "image"}},
    "RandAugment, 10 operations": {"randaugment": {"num_ops": 10, "level": 5}},
}


def clips(name: str, *files: str) -> dict[str, float]:
    """Plan and decode clips of every file."""
    from dataclasses import replace

    from shards import ClipConfig, plan_clip
    from shards.decode.cpu import decode
    from shards.media.facts import KeyFrame, KeyFrames
    from shards.media.partial import PartialMedium
    from shards.media.probe import probe_table
    from shards.media.videos.seekable import usable

    config = ClipConfig.model_validate({"num_frames": 4, "size": 224, **CONFIGS[name]})
    media = []
    for file in files:
        data = Path(file).read_bytes()
        facts, found = probe_table(data, file)
        table = KeyFrames(*([getattr(frame, field) for frame in found] for field in KeyFrame._fields))
        facts = replace(facts, look_up_key_frames=lambda table=table: table)
        keys = table.without_marks()
        media.append((PartialMedium.of_bytes(data, keys) if usable(keys, len(data)) else data, facts))
    numbers: dict[str, float] = {}
    for round_ in range(-1, ROUNDS):  # the first is for imports
        with timed(numbers, f"plan{round_}"):
            plans = [plan_clip(facts, config, np.random.default_rng(round_ + 1)) for _, facts in media]
        with timed(numbers, f"decode{round_}"):
            for plan, (medium, facts) in zip(plans, media, strict=True):
                decode(medium, facts.kind, plan)
    per_clip = 1000 / ROUNDS / len(media)
    return {
        f"{what}_cpu_ms": sum(numbers[f"{what}{round_}_cpu_s"] for round_ in range(ROUNDS)) * per_clip
        for what in ("plan", "decode")
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"clips": clips}, sys.argv[2:])
    else:
        files = sys.argv[1:] or sorted(map(str, (ROOT / "samples" / "videos").glob("*.mp4")))
        compare("clip plans", __file__, {name: ["clips", name, *files] for name in CONFIGS}, repeats=3)
