"""Datasets whose index says what their clips cost; the clips themselves are tiny pictures, so that reading is quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shards.dataset.writing.writer import DatasetWriter
from shards.loader.setup import Encode, RngFactory
from shards.media.clip import EncodedClip
from shards.media.facts import TIME_MARK, KeyFrames, MediaFacts
from shards.read.sample import Sample
from tests.shards.small_dataset import encode, picture


def film(width: int, height: int, num_frames: int, kind: str = "video") -> MediaFacts:
    return MediaFacts(kind, "h264", width, height, num_frames, 25.0, num_frames / 25)


def table(num_frames: int, gop: int, num_marks: int = 0) -> KeyFrames:
    """A key frame every `gop` frames, and time marks just behind the first ones."""
    numbers = {number: 48 * number for number in range(0, num_frames, gop)}
    numbers |= {gop * number + 1: TIME_MARK for number in range(num_marks)}
    frames = sorted(numbers)
    return KeyFrames(frames, [frame / 25 for frame in frames], [numbers[frame] for frame in frames])


def write_clips(
    folder: Path,
    facts: Sequence[MediaFacts],
    tables: Sequence[KeyFrames] | None = None,
    num_records: int = 1,
    per_shard: int = 5,
) -> Path:
    """Sample i has facts[i], is told "web-i-r" by its records, and is a picture of gray i."""
    with DatasetWriter(folder, "web", per_shard, key_frames=tables is not None) as writer:
        for i, one in enumerate(facts):
            records = [{"caption": f"web-{i}-{r}"} for r in range(num_records)]
            keys = None if tables is None else tables[i]
            writer.write(f"{i:04d}", picture(i % 256), "png", records, {"number": i}, one, keys)
    return folder


def noting(begun: list[str]) -> Encode:
    """A task that notes the caption of each clip that is about to be decoded."""

    def task(sample: Sample, rng: RngFactory) -> EncodedClip:
        begun.append(sample.record["caption"])
        return replace(encode(sample, rng), kind="image")

    return task
