"""The frames of the GPU against those of the CPU decoder: every codec, and the numbers of the frames."""

from __future__ import annotations

from collections import Counter

import numpy as np
from gpu.check import Check, Found

from shards.decode.cpu import decode as cpu
from shards.media.clip_plan import ClipPlan
from tests.shards.decode.twins import MEDIA, TOLERANCE, compare, difference, is_video, on_cpu, wrong_numbers
from tests.shards.films import NUM_FRAMES, OTHERS, SEEKABLE, shoot

FILMS = SEEKABLE | OTHERS


def parity(check: Check) -> Found:
    """Every sample, decoder under check against CPU decoder, within the tolerance of its codec."""
    worst: dict[str, list[float]] = {}
    wrong, on_gpu = [], Counter[str]()
    for path in MEDIA:
        before = check.ways["dali"]
        try:
            codec, apart = compare(path, check.decode, cpu)
        except Exception as error:
            wrong.append(f"{path.name}: {type(error).__name__}: {error}")
            continue
        if check.ways["dali"] == before:
            continue
        on_gpu[codec] += 1
        mean, p99 = max(one.mean for one in apart), max(one.p99 for one in apart)
        worst[codec] = [round(max(pair), 2) for pair in zip(worst.get(codec, [0, 0]), (mean, p99), strict=True)]
        wrong += [f"{path.name} ({codec}): {one}, allowed {TOLERANCE[codec]}" for one in apart if not one.within(codec)]
        if is_video(path):
            numbers = wrong_numbers(path, check.decode, cpu)
            wrong += [f"{path.name} ({codec}): asked for frame {asked}, shown {shown}" for asked, shown in numbers]
    return {"worst mean and p99 by codec": worst, "media by codec": dict(on_gpu), "wrong": wrong}


def numbers(check: Check) -> Found:
    """The numbers of the frames shown, in films of moving noise, where every frame differs from all others."""
    wrong, on_gpu = [], []
    for name, film in FILMS.items():
        data = shoot(film, NUM_FRAMES, (144, 176))
        rng, before = np.random.default_rng(0), check.ways["dali"]
        every = on_cpu(cpu(data, "video", _native(*range(NUM_FRAMES))))
        for _ in range(6):
            asked = tuple(rng.integers(0, NUM_FRAMES - 20, 5).tolist())  # the last ones hardly differ
            clip = on_cpu(check.decode(data, "video", _native(*asked)))
            shown = tuple(int(np.abs(every - frame).mean(axis=(1, 2, 3)).argmin()) for frame in clip)
            if shown != asked:
                wrong.append(f"{name}: asked for {asked}, shown {shown}")
        if check.ways["dali"] > before:
            on_gpu.append(name)
    return {"decoded by DALI": on_gpu, "wrong": wrong}


def sizes(check: Check) -> Found:
    """Videos one after the other that are coded alike and shown otherwise, which trap DALI's cache of decoders: a wrong
    one reads colours from wrong lines (shards/decode/packing/coded_size.py)."""
    wrong, before = [], check.ways["dali"]
    for name, codec in (("h264", "h264"), ("hevc, open GOPs", "hevc")):
        films = {size: shoot(FILMS[name], 24, size) for size in ((272, 480), (270, 480), (368, 640), (360, 640))}
        for size, data in [*films.items()] * 3:
            plan = ClipPlan((0, 3, 17), size, (0, 0, *size))
            apart = difference(check.decode(data, "video", plan), cpu(data, "video", plan))
            if not apart.within(codec):
                wrong.append(f"{name}, {size[1]}x{size[0]}: {apart}, allowed {TOLERANCE[codec]}")
    return {"decoded by DALI": check.ways["dali"] - before, "wrong": wrong}


def _native(*frames: int) -> ClipPlan:
    return ClipPlan(frames, (144, 176), (0, 0, 144, 176))
