"""How fast does a GPU decode, by threads and batch, beside its rivals and the CPU, and does the loader keep it fed?

    PYTHONPATH=. python benchmarks/bench_gpu.py [--rounds 3] [--seconds 10] [--json FILE]
    PYTHONPATH=. python benchmarks/bench_gpu.py --without-gpu      the same code on DALI's CPU operators: proves nothing
                                                                   about a GPU, only that this program runs

own T x B       DALI with T threads and B clips of a run decodes 8 frames of each clip at 224x224: clips of the profile
                h264_256, short side 256, a key frame every 8 frames
original T x B  the same of original clips, H.264, 640x360 and smaller, as in samples/
jpeg            pictures by nvJPEG with and without fancy upsampling, 16 and 64 of a run
torchcodec      CUDA decoding of the same clips and frames, scaled by torch; where it is installed
cpu N           the CPU decoder on the same clips, N threads
loader          the whole loader (batch 64, 4 frames) feeding steps: none, fake ones of bf16 matrix products, as many
                operations as a step of MCG-base, or real ones of its visual encoder; data_wait is the share of the time
                that it stood still for data

made: NVDEC decoders that were made in the process, made_warm: of these after each thread had decoded every clip once;
reused: share of streams that found one (gpu/counted.py). dec_util, jpeg_util, gpu_util: mean of what nvidia-smi said 5
times a second, %. gpu_mib: memory of the device in use; torch_mib: what of it torch holds; the rest is CUDA, NVDEC's
pictures and DALI's pool, which cannot be asked for its size.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from gpu.counted import count_decoders
from gpu.decoders import CORES, cpu, jpeg, nvdec, torchcodec
from gpu.media import MADE
from gpu.steps import loader
from harness import arguments, ask, beside, run_case, save_json

CASES = {"nvdec": nvdec, "cpu": cpu, "torchcodec": torchcodec, "jpeg": jpeg, "loader": loader}
SHOWN = (
    *("clips_per_s", "cpu_ms_per_clip", "made", "made_warm", "reused", "dec_util", "jpeg_util", "gpu_util"),
    *("step_ms", "data_wait", "gpu_mib", "torch_mib", "on_cpu_share"),
)
GRID = ((1, 16), (2, 16), (4, 16), (7, 16), (14, 16), (14, 1), (14, 8), (14, 32), (28, 32))
"""(threads of DALI, clips of a run)."""
GRID_WITHOUT_GPU = ((1, 1), (2, 4))


def cases_of(seconds: float, gpu: bool) -> dict[str, list[str]]:
    """label -> [case, argument, ...]"""
    rest = [str(seconds), "gpu" if gpu else "cpu"]
    grid = GRID if gpu else GRID_WITHOUT_GPU
    decode = ("dali", "torchcodec", "cpu") if gpu else ("dali", "cpu")
    return {
        **{f"own {t} x {b}": ["nvdec", str(t), str(b), *rest, "own"] for t, b in grid},
        **{f"original {t} x {b}": ["nvdec", str(t), str(b), *rest, "original"] for t, b in (grid[0], grid[-1])},
        **{
            f"jpeg {kind}, {batch}": ["jpeg", kind, str(batch), *rest]
            for kind in ("fancy", "plain")
            for batch in (16, 64)
        },
        **{f"torchcodec {t}": ["torchcodec", str(t), *rest, "own"] for t in ((7, 14) if gpu else (1,))},
        f"cpu {CORES}": ["cpu", str(CORES), *rest, "own"],
        **{f"loader, {name}, no step": ["loader", name, "own", "none", *rest] for name in decode},
        "loader, dali, original, no step": ["loader", "dali", "original", "none", *rest],
        **{f"loader, dali, {step} step": ["loader", "dali", "own", step, *rest] for step in ("fake", "real")},
        "loader, cpu, fake step": ["loader", "cpu", "own", "fake", *rest],
    }


def measure(seconds: float, rounds: int, gpu: bool) -> dict[str, Any]:
    """All cases, each in fresh processes; tells a table and a JSON line. What could not be measured is said under
    "unmeasured"."""
    command, env, unmeasured = [sys.executable, __file__, "--case"], None, []
    if gpu:
        try:
            env = count_decoders(Path(MADE, "counted"))
        except OSError as error:
            unmeasured.append(f"decoders made and reused: {error}")
    questions = {
        label: partial(ask, [*command, *words], 60 + 4 * seconds, env)
        for label, words in cases_of(seconds, gpu).items()
    }
    title = "gpu" if gpu else "gpu, on the CPU: proves nothing about a GPU"
    found = beside(title, questions, rounds, shown=SHOWN)
    told = {name for figures in found["cases"].values() for name in figures}
    missing = [name for name in ("made", "dec_util", "jpeg_util", "gpu_mib") if name not in told]
    unmeasured += [f"{name}: the machine does not tell" for name in missing if gpu]
    unmeasured += [f"{label}: {why}" for label, why in found["missing"].items()]
    return {**found, "unmeasured": unmeasured}


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
    save_json(chosen.json, measure(chosen.seconds, chosen.rounds, not chosen.without_gpu))
    return None


if __name__ == "__main__":
    main()
