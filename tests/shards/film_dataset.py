"""A dataset of films whose frames tell their number, with GOP tables, and a batch of it by the loader."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from shards.dataset.indexing.indexer import index_tars
from shards.dataset.tars.looks import Looks
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.media.clip_plan import ClipPlan
from shards.read.sample import Sample
from tests.shards.foreign_tars import write_tar

Batch = dict[str, tuple[ClipPlan, np.ndarray]]
"""Caption -> (plan, frames)."""
LENGTHS = (3, 12, 40, 60, 90, 110)
"""Frames of the films; the captions say them too."""
NUM_SAMPLES = len(LENGTHS) + 1
TURNED, TURN = 40, 3
"""This film is stored lying on its side; so many quarter turns undo what the decoder does about it."""
GOP = 12


def write_films(folder: Path, make_clip: Callable[..., bytes]) -> Path:
    """The films and a picture, captioned "picture", in one shard."""
    files: list[tuple[str, bytes]] = []
    for number, length in enumerate(LENGTHS):
        data = make_clip(length, rotation=90 if length == TURNED else 0)
        files += [(f"{number:03d}.mp4", data), (f"{number:03d}.json", json.dumps({"caption": f"{length}"}).encode())]
    picture = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(picture, "PNG")
    files += [("900.png", picture.getvalue()), ("900.json", b'{"caption": "picture"}')]
    write_tar(folder / "00000.tar", files)
    index_tars(str(folder), looks=Looks(media=True))
    return folder


def load(folder: Path, clip: ClipConfig, training: bool = True, seed: int = 0) -> Batch:
    """One batch that holds every sample."""

    def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
        plan = plan_clip(sample.facts, clip, rng("clip"))
        meta = {"caption": sample.record["caption"], "plan": plan}
        return EncodedClip(sample.media, sample.facts.kind, plan, {}, meta)

    blend = (DatasetConfig(name="films", path=str(folder)),)
    mode = {"mode": "train" if training else "eval", "seed": seed, "batch_size": NUM_SAMPLES}
    with Loader(LoaderConfig.model_validate({"blend": blend, **mode}), 0, 1, encode) as batches:
        batch = next(iter(batches))
    assert batch.valid.all() and not batch.failures
    return {meta["caption"]: (meta["plan"], frames) for meta, frames in zip(batch.meta, batch.frames, strict=True)}
