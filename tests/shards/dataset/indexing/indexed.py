"""What an index gives: opened, and read through the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shards.dataset.index.index import Index
from shards.dataset.tars.looks import Looks
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.read.sample import Sample
from shards.storage.open import open_source

HEADERS, MEDIA = Looks(checksums=False), Looks(media=True)


def index_of(place: str | Path) -> Index:
    return Index.open(open_source(place))


def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    plan = plan_clip(sample.facts, ClipConfig(num_frames=2, size=16), rng("clip"))
    meta = {"caption": sample.record["caption"], "origin": str(sample.origin)}
    return EncodedClip(sample.media, sample.facts.kind, plan, {"n": np.zeros(1, np.int64)}, meta)


def captions(folder: str | Path, **dataset: Any) -> list[str]:
    """One evaluation of a dataset through the loader, every clip decoded."""
    blend = (DatasetConfig(name="x", path=str(folder), **dataset),)
    config = LoaderConfig(blend=blend, batch_size=4, mode="eval", max_failure_rate=None)
    with Loader(config, 0, 1, encode) as loader:
        return [meta["caption"] for batch in loader for meta, ok in zip(batch.meta, batch.valid, strict=True) if ok]
