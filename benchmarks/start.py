"""How long until the first batch?

    python benchmarks/start.py

`import shards` in a fresh process (and that it loads no torch), then the first batch of 32 pictures from 10,000 indexed
local shards, counted from when numpy and pyarrow are imported, and from when the decoder's library, Pillow, is as well.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import compare, run_case, timed

NUM_SHARDS = 10_000


def import_shards() -> dict[str, float]:
    numbers: dict[str, float] = {}
    with timed(numbers, "import"):
        import shards  # noqa: F401
    assert not {"torch", "pyarrow", "webdataset"} & set(sys.modules)
    return numbers


def first_batch(folder: str, *imported: str) -> dict[str, float]:
    import numpy as np
    import pyarrow as pa  # noqa: F401
    import pyarrow.compute as pc  # noqa: F401
    import pyarrow.parquet as pq  # noqa: F401

    if "pillow" in imported:
        from PIL import Image

        Image.preinit()
    import shards
    from shards import DatasetConfig, EncodedClip, Loader, LoaderConfig, Sample, plan_clip
    from shards.media.clip_config import ClipConfig

    clip = ClipConfig(num_frames=1, size=8)

    def encode(sample: Sample, rng: Any) -> EncodedClip:
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, {"text_ids": np.zeros(1, np.int64)}, {})

    config = LoaderConfig(blend=(DatasetConfig(name="pictures", path=folder),), batch_size=32, prefetch_batches=0)
    numbers: dict[str, float] = {}
    assert shards.Loader is Loader
    with timed(numbers, "first_batch"), Loader(config, 0, 1, encode) as loader:
        batch = next(loader)
    assert batch.valid.all()
    return numbers


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        run_case({"import": import_shards, "first_batch": first_batch}, sys.argv[2:])
    else:
        from data import picture_dataset

        with tempfile.TemporaryDirectory() as folder:
            path = str(picture_dataset(Path(folder), NUM_SHARDS, samples_per_shard=2))
            cases = {"import": ["import"], "first batch": ["first_batch", path]}
            compare("start", __file__, {**cases, "first batch, Pillow imported": ["first_batch", path, "pillow"]})
