"""How much faster do clips decode from media made for training, and what does that cost in bytes and in quality?

    python benchmarks/transcoded.py [--data FOLDER] [--rounds 3] [--sweep]

Originals: H.264 clips of 10 s, 640x360, 25 fps, a key frame every 250 frames (clips.py `gop250`), and where there is
the test corpus its H.264 clips of 640x360 and more as they are (`corpus`). Every profile of tools/media/ is made of
them once. A case decodes from each file clips of 4 frames at 224x224, one random frame of each of four equal parts (the
same draws in every case), by our CPU decoder with the GOP table of the index, as the loader does: one thread, one
process. `vs original` are clips per second of the CPU over those of the originals; size is that of all files over that
of the originals; PSNR and SSIM are of luma, at equal size, over 4 frames of each file (tools/quality.py). --sweep: the
options of the default profile one by one instead: GOP, quality, preset, B frames, tune.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from clips import make, read_plan
from harness import beside, run_case, save_json, timed

from shards.base.errors import MediaError
from shards.media.probe import probe
from tools.media.codecs import CODECS
from tools.media.profiles import PROFILES, VideoProfile, find_profile
from tools.media.transcode import transcode
from tools.quality import Medium, measure

CLIPS_A_FILE = 3
DRAWS = 0
MIN_WIDTH, MIN_HEIGHT = 640, 360
DEFAULT = "h264_256"
SWEEP: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "default (GOP 8, crf 23, medium)": ({}, {}),
    **{f"GOP {gop}": ({"gop": gop}, {}) for gop in (1, 2, 4, 16, 32)},
    **{f"crf {quality}": ({"quality": quality}, {}) for quality in (20, 26)},
    **{f"preset {preset}": ({}, {"preset": preset}) for preset in ("veryfast", "slow")},
    **{f"{number} B frames": ({}, {"bf": number}) for number in ("0", "1", "3")},
    "no tune": ({}, {"tune": ""}),
}
"""label -> (fields of the profile, options of the encoder; "": not set)."""


def decode_clips(folder: str) -> dict[str, float]:
    """Decode the clips of all files in a folder; figures as the table has them, with those of `made.json` there."""
    from shards.decode.cpu import decode
    from shards.media.clip import plan_clip
    from shards.media.clip_config import ClipConfig

    config = ClipConfig(num_frames=4, size=224, sampling="segment")
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix != ".json")
    opened = [Medium(path.read_bytes(), path.suffix[1:]).open() for path in paths]
    jobs = []
    for number, (facts, medium) in enumerate(opened):
        for clip in range(CLIPS_A_FILE):
            jobs.append((medium, facts.kind, plan_clip(facts, config, np.random.default_rng([DRAWS, number, clip]))))
    decode(*jobs[0])  # imports
    numbers: dict[str, float] = {}
    with timed(numbers, "all"):
        for job in jobs:
            decode(*job)
    told = Path(folder, "made.json")
    figures = json.loads(told.read_text()) if told.exists() else {}
    return {
        "clips_per_s": len(jobs) / numbers["all_s"],
        "clips_per_cpu_s": len(jobs) / numbers["all_cpu_s"],
        **{name: value for name, value in figures.items() if value is not None},
    }


def originals(data: Path, name: str) -> Path | None:
    """The folder of the original clips, and nothing else in it."""
    place = data / f"original-{name}"
    if not place.exists():
        make(data / "sets", [name])
        aside = data / f"original-{name}.making"
        aside.mkdir(parents=True, exist_ok=True)
        for file in read_plan(data / "sets" / name):
            content = (data / "sets" / name / file).read_bytes()
            facts = probe(content, file)
            if facts.width >= MIN_WIDTH and facts.height >= MIN_HEIGHT:
                (aside / file).write_bytes(content)
        aside.rename(place)
    return place if any(place.iterdir()) else None


def made(place: Path, name: str, profile: Any, options: dict[str, str]) -> Path:
    """The folder of what a profile makes of the originals, with the figures of making it in made.json."""
    out = place.parent / f"{place.name}-{name.replace(' ', '-')}"
    if (out / "made.json").exists():
        return out
    out.mkdir(exist_ok=True)
    codecs = type(CODECS["h264"])
    plain = codecs.options
    codecs.options = lambda codec, *about: {
        key: value for key, value in {**plain(codec, *about), **options}.items() if value
    }
    pairs, seconds, num_frames = [], 0.0, 0
    try:
        for path in sorted(place.iterdir()):
            source = Medium(path.read_bytes(), path.suffix[1:])
            begin = time.process_time()
            try:
                result = transcode(source.data, source.ext, profile)
            except MediaError as error:
                print(f"{path.name}: {error}", file=sys.stderr)
                continue
            seconds += time.process_time() - begin
            num_frames += result.facts.num_frames
            pairs.append((source, Medium(result.media, result.ext)))
            (out / f"{path.stem}.{result.ext}").write_bytes(result.media)
    finally:
        codecs.options = plain
    quality = measure(pairs, profile)
    assert quality is not None
    figures = {
        "size": quality.bytes_after / quality.bytes_before,
        "psnr_db": quality.psnr_db,
        "ssim": quality.ssim,
        "worst_ssim": quality.worst_ssim,
        "making_cpu_s_per_clip": seconds / len(pairs),
    }
    (out / "made.json").write_text(json.dumps(figures))
    return out


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=3, help="times that every case is asked")
    options.add_argument("--data", type=Path, default=Path("/tmp/transcoded"), help="folder for media, made once")
    options.add_argument("--sweep", action="store_true", help="the options of the default profile")
    options.add_argument("--json", type=Path, help="file that the JSON line is appended to")
    chosen = options.parse_args()
    os.environ["SVT_LOG"] = "1"
    for name in ("gop250",) if chosen.sweep else ("gop250", "corpus"):
        place = originals(chosen.data, name)
        if place is None:
            continue
        folders = {"original": place}
        if chosen.sweep:
            for label, (fields, extra) in SWEEP.items():
                folders[label] = made(place, label, find_profile(DEFAULT, **fields), extra)
        else:
            for label, profile in PROFILES.items():
                folders[label] = made(place, label, profile, {})
            assert isinstance(PROFILES[DEFAULT], VideoProfile)
        cases = {label: lambda folder=folder: _ask(folder) for label, folder in folders.items()}
        told = beside(f"transcoded, {name}" + (", sweep" if chosen.sweep else ""), cases, chosen.rounds)
        base = told["cases"]["original"]["clips_per_cpu_s"]["median"]
        for label, figures in told["cases"].items():
            print(f"{label}: {figures['clips_per_cpu_s']['median'] / base:.1f}x the clips per CPU second")
        save_json(chosen.json, told)


def _ask(folder: Path) -> dict[str, Any]:
    from harness import ask

    return ask([sys.executable, __file__, "--case", "decode_clips", str(folder)])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"decode_clips": decode_clips}, sys.argv[2:])
    else:
        main()
