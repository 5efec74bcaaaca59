"""The whole loader, feeding training steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpu.media import NUM_FRAMES, SIZE, clips
from gpu.watch import Watch, device_memory

from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe

STEP_TFLOP = 35.0
"""Operations of a step of MCG-base at batch 64 with 4 frames, roughly: ViT-B/16 takes 35 GFLOP a frame, time attention
and text a third as much again; a training step is three times the forward pass."""
_SIDE = 8192
BATCH = 64


@contextmanager
def _dataset(gpu: bool) -> Iterator[Path]:
    """A dataset of the clips, each repeated many times."""
    from shards import DatasetWriter

    with tempfile.TemporaryDirectory() as folder:
        media = [(data, plan, probe(data, "x.mkv")) for data, plan in clips(False, gpu)]
        with DatasetWriter(folder, "clips", samples_per_shard=32) as writer:
            for number in range(128):
                data, _, facts = media[number % len(media)]
                writer.write(f"{number:05d}", data, "mkv", [{"caption": "a clip"}], {}, facts)
        yield Path(folder)


def _step(gpu: bool, tflop: float) -> Callable[[], None]:
    """A stand-in for a training step: matrix products on the device of the batch, finished when it returns."""
    import torch

    side, device = (_SIDE, "cuda") if gpu else (256, "cpu")
    left = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    right = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    count = max(1, round(tflop * 1e12 / (2 * side**3))) if gpu else 1

    def step() -> None:
        for _ in range(count):
            torch.mm(left, right)
        if gpu:
            torch.cuda.synchronize()

    return step


def loader(decode: str, threads: str, seconds: str, gpu: str) -> dict[str, float]:
    """The whole loader feeding steps for `seconds`."""
    from shards import Loader, LoaderConfig

    on_gpu = gpu == "gpu"

    def encode(sample: Any, rng: Any) -> EncodedClip:
        have = sample.facts.num_frames
        frames = tuple(sorted(rng("frames").choice(have, NUM_FRAMES, replace=False).tolist()))
        return EncodedClip(sample.media, "video", ClipPlan(frames, (256, 456), (16, 116, SIZE, SIZE)), {}, {})

    with _dataset(on_gpu) as folder:
        settings = {
            "blend": [{"name": "clips", "path": str(folder)}],
            "batch_size": BATCH if on_gpu else 8,
            "decode": decode,
            "threads": int(threads),
            "streams": 1,
        }
        with Loader(LoaderConfig.model_validate(settings), 0, 1, encode) as loader:
            step = _step(on_gpu, STEP_TFLOP)
            for _ in range(2):
                next(loader)
                step()
            before, cpu, steps, step_s = loader.stats.snapshot(), time.process_time(), 0, 0.0
            with Watch() as watch:
                end = time.perf_counter() + float(seconds)
                while time.perf_counter() < end:
                    next(loader)
                    started = time.perf_counter()
                    step()
                    step_s += time.perf_counter() - started
                    steps += 1
            spent, cpu = loader.stats.snapshot() - before, time.process_time() - cpu
            decoding = spent.seconds["decode"] / int(threads)
            return {
                "clips_per_s": steps * settings["batch_size"] / spent.elapsed,
                "cpu_s_per_clip": cpu / (steps * settings["batch_size"]),
                "step_ms": 1000 * step_s / steps,
                "data_wait": spent.wait_share,
                "overlap": max(0.0, 1 - spent.wait_seconds / decoding) if decoding else 1.0,
                "queue_mib": spent.queue.last_bytes / 2**20,
                **watch.found,
                **device_memory(),
                "on_cpu_share": 1 - spent.decoded.get("dali", 0) / max(1, sum(spent.decoded.values())),
            }
