"""Datasets for the benchmarks: made once per folder, of random bytes or of tiny pictures."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np

from shards import DatasetWriter, MediaFacts

PICTURE_FACTS = MediaFacts(kind="image", codec="png", width=8, height=8, num_frames=1)


def random_tar(path: Path, num_samples: int, media_bytes: int = 20 * 1024) -> Path:
    """A tar of samples as many tools write them: NUMBER.jpg of random bytes and NUMBER.json of 100 bytes."""
    if not path.exists():
        g = np.random.Generator(np.random.Philox(0))
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in range(num_samples):
                caption = json.dumps({"records": [{"caption": "c" * 72}]}).encode()
                for ext, data in (("jpg", g.bytes(media_bytes)), ("json", caption)):
                    member = tarfile.TarInfo(f"{number:09d}.{ext}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return path


def picture_dataset(folder: Path, num_shards: int, samples_per_shard: int) -> Path:
    """A dataset of tiny real pictures in many shards."""
    if not (folder / "dataset.json").exists():
        from PIL import Image

        out = io.BytesIO()
        Image.new("RGB", (8, 8), (200, 30, 60)).save(out, "png")
        with DatasetWriter(folder, "pictures", samples_per_shard) as writer:
            for number in range(num_shards * samples_per_shard):
                writer.write(f"{number:09d}", out.getvalue(), "png", [{"caption": "red"}], {}, PICTURE_FACTS)
    return folder
