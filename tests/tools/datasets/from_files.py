"""From annotation files and media to a decoded batch: the public command builds, the loader reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip, plan_clip
from shards.media.clip_config import ClipConfig
from shards.read.sample import Sample
from tests.tools.commands.command_line import invoke

CLIP = ClipConfig(num_frames=2, size=32)
CLIPS = ("bbb_bird.mp4", "tree_hand.avi", "coin_pen.mov")
"""Small clips of samples/videos."""


def decoded(name: str, out: Path, *options: str | Path) -> list[dict[str, Any]]:
    """Build the dataset with these options; the text records of one pass, all of whose clips could be decoded."""
    built = invoke("build", name, *options, "--out", out, "--max-quarantined", "0", "--json")
    assert built.exit_code == 0, built.stderr
    num_records = json.loads(built.stdout)["num_records"]
    blend = (DatasetConfig(name=name, path=str(out)),)
    with Loader(LoaderConfig(blend=blend, batch_size=num_records, mode="eval"), 0, 1, _encode) as batches:
        batch = next(iter(batches))
    frames = np.asarray(batch.frames)
    assert batch.valid.all() and not batch.failures and frames.shape == (num_records, 2, 32, 32, 3)
    assert all(clip.std() > 1 for clip in frames)
    return list(batch.meta)


def _encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    plan = plan_clip(sample.facts, CLIP, rng("clip"))
    return EncodedClip(sample.media, sample.facts.kind, plan, {}, sample.record)
