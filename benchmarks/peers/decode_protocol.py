"""What every decoder under test answers: `decode_with_NAME.py FOLDER MODE SECONDS` decodes a set of clips (clips.py).

It runs inside that system's own environment, imports only that system, numpy and the standard library, and prints one
JSON object as its last line. A system is two functions: `load` imports it, `open_decoder(mode)` gives a function
(bytes, clip) -> frames, uint8 (8, 224, 224, 3), RGB, the whole frame squashed; `clip` is the clip's entry in plan.json.
One codec thread, and the threads of torch are one.

The first pass, which is not timed, compares the frames with those that decoding from the start gives: `wrong` counts
clips with a frame whose small picture differs by more than filters explain, `failed` clips that raise.
With "judge" for the seconds it tells of each clip whether its frames are right (decoder_choice.py).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZE, THUMB = 224, 32
TOLERANCE = 6.0
"""Mean difference of the small pictures in 8 bit steps; filters and colour conversion make some 1."""

Clip = dict[str, Any]
DecodeClip = Callable[[bytes, Clip], np.ndarray]


class Unsupported(Exception):
    """The system has no such thing; the text says what."""


def main(load: Callable[[], None], open_decoder: Callable[[str], DecodeClip]) -> None:
    """Decode a set over and over, whole passes, for some seconds."""
    folder, mode, seconds = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    if seconds == "judge":
        load()
        _judge(open_decoder(mode), folder)
        return
    try:
        print("\n" + json.dumps(_measure(load, open_decoder(mode), folder, mode, float(seconds))), flush=True)
    except Unsupported as reason:
        print("\n" + json.dumps({"unsupported": str(reason)}), flush=True)


def _measure(load: Any, decode: DecodeClip, folder: Path, mode: str, seconds: float) -> dict[str, float]:
    began = time.perf_counter()
    load()
    imported = time.perf_counter() - began
    plan = json.loads((folder / "plan.json").read_text())
    clips = [((folder / name).read_bytes(), clip) for name, clip in plan.items()]
    if "snapped" in mode:
        clips = [(data, clip | {"frames": snap(clip)}) for data, clip in clips]
    truth = np.load(folder / "truth.npz")
    wrong = failed = 0
    good = []
    for (data, clip), name in zip(clips, plan, strict=True):
        try:
            frames = decode(data, clip)
            if frames.shape != (len(clip["frames"]), SIZE, SIZE, 3):
                raise ValueError(f"gives frames of shape {frames.shape}")
        except Unsupported:
            raise
        except Exception as error:
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        if "snapped" not in mode and _far(frames, truth[name]):
            wrong += 1
            print(f"{name}: wrong frames", file=sys.stderr)
        good.append((data, clip))
    passes, wall, cpu = 0, time.perf_counter(), _cpu_seconds()
    while not passes or time.perf_counter() - wall < seconds:
        for data, clip in good:
            decode(data, clip)
        passes += 1
    spent, spent_cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    return {
        "clips_per_s": passes * len(good) / spent,
        "clips_per_cpu_s": passes * len(good) / spent_cpu,
        "ms_per_clip": 1e3 * spent_cpu / passes / len(good),
        "wrong": wrong,
        "failed": failed,
        "import_s": imported,
    }


def _judge(decode: DecodeClip, folder: Path) -> None:
    """Print a line for each clip: right, wrong or refused, and why."""
    plan = json.loads((folder / "plan.json").read_text())
    truth = np.load(folder / "truth.npz")
    for name, clip in plan.items():
        verdict, why = "right", ""
        try:
            small = gray(decode((folder / name).read_bytes(), clip))
        except Exception as error:
            verdict, why = "refused", f"{type(error).__name__}: {error}"[:200]
        else:
            known = truth[name] if name in truth else np.zeros((0, 1, 1), np.float32)
            for number, picture in zip(clip["frames"], small, strict=True):
                if not len(known):
                    verdict, why = "wrong", "gives a frame of what cannot be decoded"
                    break
                far = np.abs(known - picture).mean(axis=(1, 2))
                if far[min(number, len(far) - 1)] > max(far.min() + 0.3, 1.1 * far.min()):
                    verdict, why = "wrong", f"frame {number} looks like frame {int(far.argmin())}"
                    break
        print(json.dumps({"name": name, "verdict": verdict, "why": why}), flush=True)


def gray(frames: np.ndarray) -> np.ndarray:
    """frames: uint8 (T, SIZE, SIZE, 3) -> float32 (T, 16, 16)."""
    side = SIZE // 16
    return frames.reshape(len(frames), 16, side, 16, side, 3).mean(axis=(2, 4, 5), dtype=np.float32)


def snap(clip: Clip) -> list[int]:
    """The key frames next to the planned ones."""
    keys = np.array(clip["key_frames"]["frames"])
    return [int(keys[np.abs(keys - number).argmin()]) for number in clip["frames"]]


def _far(frames: np.ndarray, truth: np.ndarray) -> bool:
    side = SIZE // THUMB
    small = frames.reshape(len(frames), THUMB, side, THUMB, side, 3).mean(axis=(2, 4), dtype=np.float32)
    return bool((np.abs(small - truth).mean(axis=(1, 2, 3)) > TOLERANCE).any())


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
