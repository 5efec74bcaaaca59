"""How fast does a GPU decode, with 1 to 7 pipelines, beside torchcodec and the CPU, and does the loader keep it fed?

    PYTHONPATH=. python benchmarks/bench_gpu.py [--rounds 3] [--seconds 10] [--json FILE]
    PYTHONPATH=. python benchmarks/bench_gpu.py --without-gpu      the same code on DALI's CPU operators: proves nothing
                                                                   about a GPU, only that this program runs

nvdec N      N threads decode 4 of the frames of each clip (H.264, 640x360 and smaller, as in samples/) at 224x224
short N      the same of short side 256 with a key frame every 15 frames, made from them
jpeg N       N threads decode pictures with nvJPEG
torchcodec   CUDA decoding of the same clips and frames, scaled by torch, one thread each; where it is installed
cpu N        the CPU decoder on the same clips
loader       the whole loader (batch 64, 4 frames, 7 threads) feeding steps of bf16 matrix products, as many operations
             as a step of MCG-base: data_wait is the share of the time that the step stood still for data, overlap the
             share of decoding that was hidden behind steps

dec_util, gpu_util: mean of what nvidia-smi said 5 times a second, %. gpu_mib: memory of the device in use; torch_mib:
what of it torch holds; the rest is CUDA, NVDEC surfaces and DALI's pool, which cannot be asked for its size.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from gpu.decoders import cpu, nvdec, torchcodec
from gpu.steps import loader
from harness import arguments, ask, beside, run_case, save_json

CASES = {"nvdec": nvdec, "cpu": cpu, "torchcodec": torchcodec, "loader": loader}
SHOWN = (
    "clips_per_s",
    "cpu_s_per_clip",
    "dec_util",
    "gpu_util",
    "step_ms",
    "data_wait",
    "overlap",
    "gpu_mib",
    "torch_mib",
)


def cases_of(seconds: float, gpu: bool, pipelines: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)) -> dict[str, list[str]]:
    """label -> [case, argument, ...]"""
    rest = [str(seconds), "gpu" if gpu else "cpu"]
    most = str(max(pipelines))
    return {
        **{f"nvdec {n}": ["nvdec", str(n), *rest] for n in pipelines},
        **{f"short {n}": ["nvdec", str(n), *rest, "short"] for n in (pipelines[0], pipelines[-1])},
        **{f"jpeg {n}": ["nvdec", str(n), *rest, "pictures"] for n in (pipelines[0], pipelines[-1])},
        f"torchcodec {most}": ["torchcodec", most, *rest],
        f"cpu {most}": ["cpu", most, *rest],
        "loader, dali": ["loader", "dali", most, *rest],
        "loader, cpu": ["loader", "cpu", most, *rest],
    }


def measure(
    seconds: float, rounds: int, gpu: bool, pipelines: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
) -> dict[str, Any]:
    """All cases, each in fresh processes; tells a table and a JSON line."""
    command = [sys.executable, __file__, "--case"]
    questions = {
        label: partial(ask, [*command, *words], 60 + 4 * seconds)
        for label, words in cases_of(seconds, gpu, pipelines).items()
    }
    return beside("gpu" if gpu else "gpu, on the CPU: proves nothing about a GPU", questions, rounds, shown=SHOWN)


def main() -> None:
    options = arguments(__doc__, rounds=3, data="/tmp/mcg-gpu")
    options.add_argument("--seconds", type=float, default=10, help="that each case is measured")
    options.add_argument("--without-gpu", action="store_true", help="on DALI's CPU operators")
    options.add_argument("--case", nargs="+", help="one case in this process")
    chosen = options.parse_args()
    if chosen.case:
        return run_case(CASES, chosen.case)  # type: ignore[arg-type]
    import torch

    if not chosen.without_gpu and not torch.cuda.is_available():
        sys.exit("bench_gpu: torch sees no CUDA device, so nothing is measured (--without-gpu runs the code only)")
    pipelines = (1, 2) if chosen.without_gpu else (1, 2, 3, 4, 5, 6, 7)
    save_json(chosen.json, measure(chosen.seconds, chosen.rounds, not chosen.without_gpu, pipelines))
    return None


if __name__ == "__main__":
    main()
