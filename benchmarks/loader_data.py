"""Datasets for the benchmarks of whole loaders, in each system's form (forms.py): tiny samples, and JPEG pictures.

Pictures are frames of the clips in samples/, so that they cost what photographs cost. A dataset is made once.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forms
import numpy as np

SYSTEMS = ("ours", "webdataset", "litdata", "energon", "mosaic")
CLIPS = ("bbb_tree.mp4", "sintel_snow.mp4", "sintel_dragons.mp4", "tree_window.mp4")
UNIQUE = 256


@dataclass(frozen=True)
class Data:
    """What a dataset holds."""

    name: str
    num_shards: int
    per_shard: int
    media_bytes: int = 0
    """Random bytes of a sample."""
    picture: tuple[int, int] | None = None
    """Width and height of its JPEG pictures instead."""

    @property
    def num_samples(self) -> int:
        return self.num_shards * self.per_shard


def make(data: Data, folder: Path, venvs: Path, systems: tuple[str, ...] = SYSTEMS) -> Path:
    """Write what is missing below `folder`; returns the folder of the dataset."""
    out = folder / f"{data.name}-{data.num_samples}"
    if not (out / "ours" / "dataset.json").exists():
        media = _pictures(data) if data.picture else _random(data)
        forms.write(out / "ours", media, data.per_shard, data.picture or (64, 64))
    for system in systems:
        forms.convert(out, system, venvs)
    return out


def _random(data: Data) -> Iterator[bytes]:
    g = np.random.Generator(np.random.Philox(0))
    return (g.bytes(data.media_bytes) for _ in range(data.num_samples))


def _pictures(data: Data) -> Iterator[bytes]:
    from PIL import Image

    assert data.picture is not None
    frames, encoded = _frames(), []
    for number in range(UNIQUE):
        if data.picture[0] > frames[0].width:  # four frames side by side: details that enlarging would not give
            whole = Image.new("RGB", (2 * frames[0].width, 2 * frames[0].height))
            for place in range(4):
                spot = (place % 2 * frames[0].width, place // 2 * frames[0].height)
                whole.paste(frames[(number + 17 * place) % len(frames)], spot)
        else:
            whole = frames[number % len(frames)]
        out = io.BytesIO()
        whole.resize(data.picture, Image.Resampling.BICUBIC).save(out, "jpeg", quality=90)
        encoded.append(out.getvalue())
    return (encoded[number % UNIQUE] for number in range(data.num_samples))


def _frames() -> list[Any]:
    from PIL import Image

    from shards.decode.cpu import decode
    from shards.media.clip_plan import ClipPlan

    samples, pictures = Path(__file__).resolve().parent.parent / "samples" / "videos", []
    for clip in CLIPS:
        plan = ClipPlan(tuple(range(0, 32)), (360, 640), (0, 0, 360, 640))
        clip_frames = np.asarray(decode((samples / clip).read_bytes(), "video", plan))
        pictures += [Image.fromarray(frame) for frame in clip_frames]
    return pictures


def repeat(folder: Path, times: int, systems: tuple[str, ...]) -> Path:
    """The dataset so many times over: hard links to its shards under other names, which take no room on the disk."""
    if times == 1:
        return folder
    out = folder.with_name(f"{folder.name}-times{times}")
    if not (out / "ours" / "dataset.json").exists():
        (out / "ours").mkdir(parents=True, exist_ok=True)
        for turn in range(times):
            for tar in forms.tars(folder):
                _link(tar, out / "ours" / f"{turn:02d}{tar.name}")
        forms.index(out / "ours", media=False)
    if "litdata" in systems and not (out / "litdata.done").exists():
        (out / "litdata").mkdir(exist_ok=True)
        index = json.loads((folder / "litdata" / "index.json").read_text())
        chunks = []
        for turn in range(times):
            for chunk in index["chunks"]:
                name = chunk["filename"].replace("chunk-0-", f"chunk-{turn}-")
                _link(folder / "litdata" / chunk["filename"], out / "litdata" / name)
                chunks.append({**chunk, "filename": name})
        (out / "litdata" / "index.json").write_text(json.dumps({**index, "chunks": chunks}))
        (out / "litdata.done").touch()
    return out


def _link(source: Path, target: Path) -> None:
    if not target.exists():
        target.hardlink_to(source)
