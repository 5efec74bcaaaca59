"""A dataset of pictures of known brightness, two clips, and samples that cannot be decoded or read."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import MediaFacts
from shards.media.probe import probe
from tests.shards.small_dataset import FACTS, picture
from tests.tools.media.scenes import video
from tools.scores.work import Scoring

BROKEN = MediaFacts("video", "h264", 320, 180, 50, 25.0, 2.0)


def write_graded(folder: Path, num_pictures: int = 9) -> Path:
    """Pictures of gray 10 * i, each with its gray as caption, a clip, a broken one; in shards of 4."""
    with DatasetWriter(folder, "graded", samples_per_shard=4) as writer:
        for number in range(num_pictures):
            records = [{"caption": f"gray {10 * number}"}]
            writer.write(f"p{number}", picture(10 * number), "png", records, {}, FACTS)
        clip = video(12, (72, 96))
        writer.write("clip", clip, "mp4", [{"caption": "a bar moves"}], {}, probe(clip, "x.mp4"))
        writer.write("bad", b"no video", "mp4", [{"caption": "nothing"}], {}, BROKEN)
    return folder


def scoring(folder: Path | str, *names: str, **options: object) -> Scoring:
    """The work with these scorers on small frames."""
    settings = {"num_frames": 4, "size": 32, **options}
    return Scoring(str(folder), (), names, **settings)  # type: ignore[arg-type]


def gray(level: int, num_frames: int = 1, side: int = 32) -> np.ndarray:
    """Frames of one gray."""
    return np.full((num_frames, side, side, 3), level, np.uint8)
