"""A dataset of videos of several codecs and pictures by turns, and a loader's settings over it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shards.dataset.writing.writer import DatasetWriter
from shards.loader.config import LoaderConfig
from shards.loader.setup import RngFactory
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.probe import probe
from shards.read.sample import Sample
from tests.shards.decode.twins import MEDIA


def write_mixed(folder: Path, names: Sequence[str]) -> Path:
    """Twelve samples of these media by turns; one is no video at all."""
    media = [(path.suffix[1:], path.read_bytes()) for name in names for path in MEDIA if path.name == name]
    with DatasetWriter(folder, "mixed", samples_per_shard=4) as writer:
        for number in range(12):
            ext, data = media[number % len(names)]
            facts = probe(data, f"x.{ext}")
            if number == 8:
                data = b"no video"
            writer.write(f"{number:03d}", data, ext, [{"caption": str(number)}], {"number": number}, facts)
    return folder


def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
    frames = (0, 5) if sample.facts.kind == "video" else (0, 0)
    plan = ClipPlan(frames, (40, 60), (4, 10, 32, 32), bool(rng("flip").random() < 0.5))
    return EncodedClip(sample.media, sample.facts.kind, plan, {}, {"number": sample.meta["number"]})


def loader_settings(folder: Path, decode: str, **more: object) -> LoaderConfig:
    fields = {"blend": [{"name": "mixed", "path": str(folder)}], "batch_size": 4, "decode": decode, "streams": 1}
    return LoaderConfig.model_validate(fields | {"max_failure_rate": None} | more)
