"""Many threads, a loader with bad samples, and memory over many batches."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from gpu.check import Check, Found, where
from gpu.media import clips
from gpu.watch import device_memory

from shards import Loader, LoaderConfig
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from tests.shards.decode.twins import MEDIA, on_cpu


def threads(check: Check) -> Found:
    """Seven threads, whose clips are decoded together, give the frames that one gives."""
    media = clips("original", check.gpu)
    alone = [on_cpu(check.decode(clip.media, "video", clip.plan)) for clip in media]

    def work(number: int) -> int:
        wrong = 0
        for turn in range(40):
            place = (number + turn) % len(media)
            clip = media[place]
            wrong += not np.array_equal(on_cpu(check.decode(clip.media, "video", clip.plan)), alone[place])
        return wrong

    with ThreadPoolExecutor(7) as pool:
        wrong = sum(pool.map(work, range(7)))
    return {"clips": 7 * 40, "wrong": [f"{wrong} clips differ from those of one thread"] if wrong else []}


def _encode(sample: Any, rng: Any) -> EncodedClip:
    frames = (0, 7) if sample.facts.kind == "video" else (0, 0)
    flip = bool(rng("flip").random() < 0.5)
    return EncodedClip(sample.media, sample.facts.kind, ClipPlan(frames, (64, 80), (0, 8, 64, 64), flip), {}, {})


def _loader(folder: Path, **more: Any) -> Loader:
    blend = [{"name": "check", "path": str(folder)}]
    settings = {"blend": blend, "batch_size": 8, "decode": "dali", "threads": 4, "streams": 1, "max_failure_rate": None}
    return Loader(LoaderConfig.model_validate(settings | more), 0, 1, _encode)


def _write(folder: Path, bad: int) -> None:
    """A dataset of 64 samples of all kinds; every `bad`-th is no medium."""
    from shards import DatasetWriter

    media = [path for path in MEDIA if path.suffix in (".mp4", ".webm", ".jpg", ".avi")]
    with DatasetWriter(folder, "check", samples_per_shard=16) as writer:
        for number in range(64):
            path = media[number % len(media)]
            data = path.read_bytes()
            facts = probe(data, path.name)
            if bad and number % bad == 0:
                data = b"not a medium"
            writer.write(f"{number:03d}", data, path.suffix[1:], [{"caption": "x"}], {}, facts)


def quarantine(check: Check) -> Found:
    """A loader with bad samples counts them, gives batches on the device, and resumes exactly."""
    wrong = []
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), 13)
        with _loader(Path(name), mode="eval", threads=4) as loader:
            batches = list(loader)
            snapshot = loader.stats.snapshot()
        bad = sum(int((~batch.valid).sum()) for batch in batches)
        if bad != 5 or snapshot.accounting.failed != 5:
            wrong.append(f"5 samples are no media, {bad} slots are masked, {snapshot.accounting.failed} counted")
        wrong += [f"a batch is on {where(batch.frames)}" for batch in batches if not check.is_there(batch.frames)][:1]
        with _loader(Path(name)) as loader:
            for _ in range(5):
                next(loader)
            state = loader.state_dict()
            rest = [on_cpu(next(loader).frames) for _ in range(4)]
        with _loader(Path(name), threads=1) as loader:
            loader.load_state_dict(state)
            for batch in rest:
                if not np.array_equal(on_cpu(next(loader).frames), batch):
                    wrong.append("a resumed loader gives other frames")
                    break
    return {"decoder": state["decoder"], "ways": snapshot.decoded, "wrong": wrong}


def memory(check: Check) -> Found:
    """Memory does not grow over 200 batches."""
    used = []
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), 0)
        with _loader(Path(name), threads=7) as loader:
            for number in range(200):
                next(loader)
                if number in (49, 99, 149, 199):
                    used.append(round(_used(check.gpu)))
            queue = loader.stats.snapshot().queue
    grown = used[-1] - used[0]
    limit = 200
    return {
        "MiB after 50, 100, 150, 200 batches": used,
        "last queue MiB": round(queue.last_bytes / 2**20, 2),
        "wrong": [f"memory grew by {grown} MiB over 150 batches, allowed {limit}"] if grown > limit else [],
    }


def _used(gpu: bool) -> float:
    """MiB in use of the device, without a GPU of this process."""
    if gpu:
        return device_memory()["gpu_mib"]
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
