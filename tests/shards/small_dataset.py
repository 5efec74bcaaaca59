"""Real datasets of tiny pictures for loader tests, and a task's encode that shows which draws it was given."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shards.dataset.writing.writer import DatasetWriter
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.loader.stages.batch import Batch
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.facts import MediaFacts
from shards.read.sample import Sample
from tests.shards.far_folder import WAIT

SIDE = 4
FACTS = MediaFacts(kind="image", codec="png", width=SIDE, height=SIDE, num_frames=1)


def write_dataset(
    folder: Path,
    name: str,
    num_samples: int,
    records_of: Sequence[int] = (2, 1, 3),
    per_shard: int = 5,
    broken: Collection[int] = (),
) -> Path:
    """Sample i is a picture of gray i with records_of[i % len] captions; the bytes of `broken` ones are no picture."""
    with DatasetWriter(folder, name, samples_per_shard=per_shard) as writer:
        for i in range(num_samples):
            media = b"no picture" if i in broken else picture(i)
            records = [{"caption": f"{name}-{i}-{r}"} for r in range(records_of[i % len(records_of)])]
            writer.write(f"{i:04d}", media, "png", records, {"number": i}, FACTS)
    return folder


def picture(gray: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (gray, gray, gray)).save(file, "PNG")
    return file.getvalue()


def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    """Text as character codes; a flip and a number drawn for purposes of their own."""
    plan = ClipPlan(frames=(0, 0), resize=(SIDE, SIDE), crop=(0, 0, SIDE, SIDE), flip=bool(rng("flip").random() < 0.5))
    caption = sample.record["caption"]
    codes = np.array([ord(c) for c in caption], dtype=np.int64)
    meta = {"caption": caption, "number": sample.meta["number"], "drawn": int(rng("number").integers(1 << 30))}
    return EncodedClip(sample.media, sample.facts.kind, plan, {"codes": codes, "mask": np.ones_like(codes)}, meta)


def config(*datasets: tuple[str, Path | str], batch_size: int = 8, **fields: Any) -> LoaderConfig:
    blend = tuple(DatasetConfig(name=name, path=str(path)) for name, path in datasets)
    return LoaderConfig.model_validate({"blend": blend, "batch_size": batch_size, "streams": 4, "window": 6} | fields)


def seen(batch: Batch) -> list[tuple[str, int]]:
    """(caption, drawn number) of the valid slots: what was delivered, with which augmentation."""
    return [(m["caption"], m["drawn"]) for m, valid in zip(batch.meta, batch.valid, strict=True) if valid]


def sequence(loaders: Sequence[Loader], num_batches: int) -> list[list[tuple[str, int]]]:
    """What `num_batches` global batches hold, the ranks concatenated."""
    return [[pair for loader in loaders for pair in seen(next(loader))] for _ in range(num_batches)]


def wait_for_shards(loader: Loader) -> None:
    """Wait until all that a loader with a cache wants has come or failed: a shard of which everything was read by range
    in time would not be brought, or be dropped on its way and brought again in the next pass."""
    assert loader.downloads is not None
    assert loader.downloads.wait(WAIT)
