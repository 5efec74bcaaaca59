"""Decoders at work in threads: DALI, the CPU decoder, torchcodec."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gpu.media import clips, pictures
from gpu.watch import Watch, device_memory

from shards.decode.decoder import Decoder
from shards.media.clip_plan import ClipPlan


def _decode_for(seconds: float, threads: int, decode: Callable[[bytes, ClipPlan], Any], media: Any) -> dict[str, float]:
    """Decode in threads for `seconds`, after a warm-up in which each thread decodes every medium once."""
    stop, started = threading.Event(), threading.Barrier(threads + 1)

    def work(number: int) -> int:
        turns = itertools.islice(itertools.cycle(media), number, None)
        for data, plan in itertools.islice(turns, len(media)):
            decode(data, plan)
        started.wait()
        done = 0
        while not stop.is_set():
            data, plan = next(turns)
            decode(data, plan)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(work, number) for number in range(threads)]
        started.wait()
        with Watch() as watch:
            wall, cpu = time.perf_counter(), time.process_time()
            time.sleep(seconds)
            stop.set()
            done = sum(future.result() for future in working)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"clips_per_s": done / wall, "cpu_s_per_clip": cpu / max(done, 1), **watch.found}


def _dali(gpu: bool, ways: Counter[str]) -> Decoder:
    from shards.decode.dali.dali import Dali

    if gpu:
        import torch

        torch.cuda.init()
    return Dali(0 if gpu else None, lambda way: ways.update([way]))


def nvdec(threads: str, seconds: str, gpu: str, what: str = "clips") -> dict[str, float]:
    """DALI: clips, short ones with many key frames, or pictures."""
    ways: Counter[str] = Counter()
    decode, on_gpu = _dali(gpu == "gpu", ways), gpu == "gpu"
    media = pictures() if what == "pictures" else clips(what == "short", on_gpu)
    kind = "image" if what == "pictures" else "video"
    found = _decode_for(float(seconds), int(threads), lambda data, plan: decode(data, kind, plan), media)
    return {**found, **device_memory(), "on_cpu_share": 1 - ways["dali"] / ways.total()}


def cpu(threads: str, seconds: str, gpu: str) -> dict[str, float]:
    """The CPU decoder on the same clips."""
    from shards.decode.cpu import decode

    media = clips(False, gpu == "gpu")
    return _decode_for(float(seconds), int(threads), lambda data, plan: decode(data, "video", plan), media)


def torchcodec(threads: str, seconds: str, gpu: str) -> dict[str, float] | dict[str, str]:
    """torchcodec on the same clips and frames, scaled by torch."""
    try:
        from torchcodec.decoders import VideoDecoder
    except Exception as error:  # it loads libraries when it is imported, and raises whatever they do
        return {"unsupported": f"torchcodec is not here: {type(error).__name__}: {str(error)[:100]}"}
    from torch.nn.functional import interpolate

    device = "cuda" if gpu == "gpu" else "cpu"

    def decode(data: bytes, plan: ClipPlan) -> Any:
        frames = VideoDecoder(data, device=device, seek_mode="approximate").get_frames_at(list(plan.frames)).data
        scaled = interpolate(frames.float(), plan.resize, mode="bicubic", antialias=True)
        top, left, height, width = plan.crop
        return scaled[..., top : top + height, left : left + width].round().clamp(0, 255).byte().cpu()[0, 0, 0, 0]

    return _decode_for(float(seconds), int(threads), decode, clips(False, gpu == "gpu"))
