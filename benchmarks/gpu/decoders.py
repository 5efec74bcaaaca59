"""Decoders at work in threads: DALI, the CPU decoder, torchcodec, nvJPEG."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from gpu.counted import counts
from gpu.media import SIZE, Clip, clips, pictures
from gpu.watch import Watch, device_memory

CORES = os.cpu_count() or 1


def _decode_for(seconds: float, threads: int, decode: Callable[[Clip], Any], media: list[Clip]) -> dict[str, float]:
    """Decode in threads for `seconds`, after a warm-up in which each thread decodes every medium once."""
    stop, started = threading.Event(), threading.Barrier(threads + 1)

    def work(number: int) -> int:
        turns = itertools.islice(itertools.cycle(media), number % len(media), None)
        for clip in itertools.islice(turns, len(media)):
            decode(clip)
        started.wait()
        done = 0
        while not stop.is_set():
            decode(next(turns))
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        working = [pool.submit(work, number) for number in range(threads)]
        started.wait()
        warm = counts()
        with Watch() as watch:
            wall, cpu = time.perf_counter(), time.process_time()
            time.sleep(seconds)
            stop.set()
            done = sum(future.result() for future in working)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    made = {f"{what}_warm": counted - warm.get(what, 0) for what, counted in counts().items() if what == "made"}
    return {"clips_per_s": done / wall, "cpu_ms_per_clip": 1000 * cpu / max(done, 1), **made, **watch.found}


def nvdec(threads: str, batch: str, seconds: str, gpu: str, what: str) -> dict[str, float]:
    """DALI, with so many threads of its own and clips of a run; twice as many threads bring them."""
    from shards.decode.dali.dali import Dali
    from shards.decode.decoder import DecodeSettings

    on_gpu, ways = gpu == "gpu", Counter[str]()
    if on_gpu:
        import torch

        torch.cuda.init()
    settings = DecodeSettings(CORES if on_gpu else int(threads), int(batch), int(threads))
    decode = Dali(0 if on_gpu else None, lambda way: ways.update([way]), settings)
    found = _decode_for(
        float(seconds), 2 * int(batch), lambda clip: decode(clip.media, "video", clip.plan), clips(what, on_gpu)
    )
    return {**found, **device_memory(), "on_cpu_share": 1 - ways["dali"] / ways.total()}


def cpu(threads: str, seconds: str, gpu: str, what: str) -> dict[str, float]:
    """The CPU decoder on the same clips."""
    from shards.decode.cpu import decode

    media = clips(what, gpu == "gpu")
    return _decode_for(float(seconds), int(threads), lambda clip: decode(clip.media, "video", clip.plan), media)


def torchcodec(threads: str, seconds: str, gpu: str, what: str) -> dict[str, float] | dict[str, str]:
    """torchcodec by itself on the same clips and frames, scaled by torch."""
    try:
        from torchcodec.decoders import VideoDecoder
    except Exception as error:  # it loads libraries when it is imported, and raises whatever they do
        return {"unsupported": f"torchcodec is not here: {type(error).__name__}: {str(error)[:100]}"}
    from torch.nn.functional import interpolate

    device = "cuda" if gpu == "gpu" else "cpu"

    def decode(clip: Clip) -> Any:
        decoder = VideoDecoder(clip.data, device=device, seek_mode="approximate")
        frames = decoder.get_frames_at(list(clip.plan.frames)).data
        scaled = interpolate(frames.float(), clip.plan.resize, mode="bicubic", antialias=True)
        top, left, height, width = clip.plan.crop
        return scaled[..., top : top + height, left : left + width].round().clamp(0, 255).byte().cpu()[0, 0, 0, 0]

    return _decode_for(float(seconds), int(threads), decode, clips(what, gpu == "gpu"))


def jpeg(fancy: str, batch: str, seconds: str, gpu: str) -> dict[str, float]:
    """nvJPEG (on the CPU DALI's operator) and scaling, in runs of so many pictures."""
    import numpy as np
    from nvidia.dali import Pipeline, fn, types

    on_gpu, data = gpu == "gpu", itertools.cycle(np.frombuffer(one, np.uint8) for one in pictures())
    pipeline = Pipeline(int(batch), 4, device_id=0 if on_gpu else None, prefetch_queue_depth=1, exec_dynamic=True)
    with pipeline:
        encoded = fn.external_source(name="encoded", dtype=types.UINT8, ndim=1)
        shown = fn.decoders.image(
            encoded, device="mixed" if on_gpu else "cpu", jpeg_fancy_upsampling=fancy == "fancy", output_type=types.RGB
        )
        pipeline.set_outputs(fn.resize(shown, size=(SIZE, SIZE), interp_type=types.INTERP_CUBIC, antialias=True))
    pipeline.build()
    for _ in range(3):
        pipeline.run(encoded=list(itertools.islice(data, int(batch))))
    runs = 0
    with Watch() as watch:
        wall, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() < wall + float(seconds):
            pipeline.run(encoded=list(itertools.islice(data, int(batch))))
            runs += 1
        if on_gpu:
            import torch

            torch.cuda.synchronize()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done = runs * int(batch)
    return {"clips_per_s": done / wall, "cpu_ms_per_clip": 1000 * cpu / done, **watch.found, **device_memory()}
