"""Everything that needs a GPU, in one go: does DALI decode there what the CPU decoder decodes, and how fast?

    make gpu-check                                        or, on a machine without this project's environment:
    PYTHONPATH=. python3 benchmarks/gpu_check.py [--out FOLDER] [--minutes 8]
    PYTHONPATH=. python benchmarks/gpu_check.py --without-gpu     a rehearsal on DALI's CPU operators

Needs torch, numpy and the wheels that gpu_wheels.py packs, no network and no pytest (CONTRIBUTING.md says how to
carry them). First of all it says whether the driver has a video decoder (libnvcuvid). Then, each told as it
ends:

parity       the samples, CPU decoder against GPU, every codec within the tolerances of tests/shards/decode/twins.py
numbers      the frames that were asked for, in streams with B-frames, open GOPs, hidden frames, short GOPs
sizes        videos one after the other that are coded alike and shown otherwise, which trap DALI's cache of decoders
odd          what a GPU must not be given, and cut, torn and lying files: the CPU decoder's frames or its error, on the
             GPU, counted by reason; and that the GPU still works afterwards
threads      seven threads, whose clips are decoded together, give what one gives, 40 times each
quarantine   a loader with bad samples: accounting holds, the batches are tensors on the GPU, a resume is exact
memory       200 batches leave no memory behind
speed        benchmarks/bench_gpu.py, one round, short

Writes FOLDER/gpu_check.json and prints a table, and at last what could not be checked on this machine; the exit code is
0 if everything is right, else 1, and 2 without a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import bench_gpu
from gpu.check import Check, Found
from gpu.machine import machine
from gpu.odd import odd
from gpu.parity import numbers, parity, sizes
from gpu.running import memory, quarantine, threads

from tests.shards.decode.twins import TOLERANCE


def speed(check: Check, seconds: float) -> Found:
    result = bench_gpu.measure(seconds, 1, check.gpu)
    failed = [f"{label}: {why}" for label, why in result["missing"].items() if why.startswith("failed")]
    return {**result, "wrong": failed}


def unchecked(report: Found) -> list[str]:
    """What this machine cannot say."""
    parts = report["parts"]
    found = [] if report["gpu"] else ["everything about a GPU: this was a rehearsal on DALI's CPU operators"]
    if not report["machine"]["libnvcuvid"]:
        found.append("decoding video on a GPU: the driver here has no libnvcuvid")
    on_gpu = parts["parity"].get("media by codec", {})
    found += [f"{codec}: no sample was decoded by DALI here" for codec in TOLERANCE if codec not in on_gpu]
    if not parts["sizes"].get("decoded by DALI"):
        found.append("sizes that trap DALI's cache: H.264 and HEVC are not decoded by DALI here")
    return found + parts["speed"].get("unmeasured", [])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("runs/gpu-check"), help="folder for gpu_check.json")
    options.add_argument("--minutes", type=float, default=7.5, help="that all of it may take")
    options.add_argument("--without-gpu", action="store_true", help="a rehearsal on DALI's CPU operators")
    chosen = options.parse_args()
    import torch

    gpu = not chosen.without_gpu
    if gpu and not torch.cuda.is_available():
        print("gpu_check: torch sees no CUDA device; nothing was checked (--without-gpu rehearses on the CPU)")
        sys.exit(2)
    started = time.perf_counter()
    report: Found = {"gpu": gpu, "machine": machine(gpu), "parts": {}}
    print(json.dumps(report["machine"]), flush=True)
    check = Check(gpu)
    left = lambda: 60 * chosen.minutes - (time.perf_counter() - started)  # noqa: E731
    parts: dict[str, Callable[[], Found]] = {
        **{
            part.__name__: (lambda part=part: part(check))
            for part in (parity, numbers, sizes, odd, threads, quarantine, memory)
        },
        "speed": lambda: speed(check, max(1.0, min(8.0, left() / len(bench_gpu.cases_of(1, gpu)) - 10))),
    }
    for name, part in parts.items():
        begun = time.perf_counter()
        try:
            found = part()
        except Exception as error:
            traceback.print_exc()
            found = {"wrong": [f"{type(error).__name__}: {error}"]}
        found["seconds"] = round(time.perf_counter() - begun, 1)
        report["parts"][name] = found
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n")
        wrong = found["wrong"]
        print(f"{name:12} {'WRONG' if wrong else 'right':6} {found['seconds']:7.1f} s", flush=True)
        for line in wrong[:10]:
            print(f"             {line}")
        for label, value in found.items():
            if label not in ("wrong", "seconds", "cases", "machine", "load", "ratios", "unmeasured"):
                print(f"             {label}: {json.dumps(value)[:400]}")
    report["unchecked"] = unchecked(report)
    (chosen.out / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n")
    print("not checked here:" if report["unchecked"] else "nothing was left unchecked")
    for line in report["unchecked"]:
        print(f"  {line}")
    total = time.perf_counter() - started
    any_wrong = any(found["wrong"] for found in report["parts"].values())
    print(f"{'WRONG' if any_wrong else 'right'}: all in {total:.0f} s; {chosen.out / 'gpu_check.json'}")
    sys.exit(1 if any_wrong else 0)


if __name__ == "__main__":
    main()
