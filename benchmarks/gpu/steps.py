"""The whole loader, feeding training steps."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpu.counted import counts
from gpu.decoders import CORES
from gpu.media import SIZE, clips
from gpu.watch import Watch, device_memory

from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.facts import KeyFrames
from shards.media.probe import probe_table

STEP_TFLOP = 35.0
"""Operations of a step of MCG-base at batch 64 with 4 frames, roughly: ViT-B/16 takes 35 GFLOP a frame, time attention
and text a third as much again; a training step is three times the forward pass."""
_SIDE = 8192
BATCH, NUM_FRAMES = 64, 4


@contextmanager
def _dataset(what: str, gpu: bool) -> Iterator[Path]:
    """A dataset of the clips, each repeated many times."""
    from shards import DatasetWriter

    with tempfile.TemporaryDirectory() as folder:
        media = [(clip, *probe_table(clip.data, f"x.{clip.ext}")) for clip in clips(what, gpu)]
        with DatasetWriter(folder, "clips", samples_per_shard=64, key_frames=True) as writer:
            for number in range(256):
                clip, facts, table = media[number % len(media)]
                texts, key_frames = [{"caption": "a clip"}], KeyFrames.of(table)
                writer.write(f"{number:05d}", clip.data, clip.ext, texts, {}, facts, key_frames)
        yield Path(folder)


def _fake_step(gpu: bool) -> Callable[[Any], None]:
    """Matrix products on the device of the batch, as many operations as a step of MCG-base."""
    import torch

    side, device = (_SIDE, "cuda") if gpu else (256, "cpu")
    left = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    right = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    count = max(1, round(STEP_TFLOP * 1e12 / (2 * side**3))) if gpu else 1

    def step(frames: Any) -> None:
        for _ in range(count):
            torch.mm(left, right)

    return step


def _real_step(gpu: bool) -> Callable[[Any], None]:
    """Forward, backward and update of MCG-base's visual encoder in bf16. Raises ImportError."""
    import torch

    from mcg.model.parts.configs import TimeSformerConfig
    from mcg.model.parts.timesformer import TimeSformer

    torch.manual_seed(0)
    device, config = "cuda" if gpu else "cpu", TimeSformerConfig(num_frames=NUM_FRAMES, depth=12 if gpu else 1)
    model = TimeSformer(config).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-5, fused=gpu)

    def step(frames: Any) -> None:
        with torch.autocast(device, torch.bfloat16):
            states = model(torch.as_tensor(frames).permute(0, 1, 4, 2, 3) / 255)[0]
        states.float().pow(2).mean().backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def loader(decode: str, what: str, step: str, seconds: str, gpu: str) -> dict[str, Any]:
    """The whole loader feeding steps for `seconds`, with its defaults and as many threads as there are cores."""
    from shards import Loader, LoaderConfig

    on_gpu = gpu == "gpu"

    def encode(sample: Any, rng: Any) -> EncodedClip:
        have = sample.facts.num_frames
        frames = tuple(sorted(rng("frames").choice(have, NUM_FRAMES, replace=False).tolist()))
        return EncodedClip(sample.media, "video", ClipPlan(frames, (256, 456), (16, 116, SIZE, SIZE)), {}, {})

    try:
        work = {"fake": _fake_step, "real": _real_step, "none": lambda gpu: lambda frames: None}[step](on_gpu)
    except ImportError as error:
        return {"unsupported": f"no real step here: {error}"}

    def synchronized(frames: Any) -> None:
        work(frames)
        if on_gpu:
            import torch

            torch.cuda.synchronize()

    with _dataset(what, on_gpu) as folder:
        settings = {
            "blend": [{"name": "clips", "path": str(folder)}],
            "batch_size": BATCH if on_gpu else 8,
            "decode": decode,
            "threads": CORES,
            "streams": 1,
        }
        with Loader(LoaderConfig.model_validate(settings), 0, 1, encode) as loader:
            for _ in range(4):
                synchronized(next(loader).frames)
            before, cpu, steps, step_s = loader.stats.snapshot(), time.process_time(), 0, 0.0
            with Watch() as watch:
                end = time.perf_counter() + float(seconds)
                while time.perf_counter() < end:
                    frames = next(loader).frames
                    started = time.perf_counter()
                    synchronized(frames)
                    step_s += time.perf_counter() - started
                    steps += 1
            spent, cpu = loader.stats.snapshot() - before, time.process_time() - cpu
            clips_made = steps * settings["batch_size"]
            return {
                "clips_per_s": clips_made / spent.elapsed,
                "cpu_ms_per_clip": 1000 * cpu / clips_made,
                "step_ms": 1000 * step_s / steps,
                "data_wait": spent.wait_share,
                "queue_mib": spent.queue.last_bytes / 2**20,
                **counts(),
                **watch.found,
                **device_memory(),
                "on_cpu_share": 1 - spent.decoded.get("dali", 0) / max(1, sum(spent.decoded.values())),
            }
