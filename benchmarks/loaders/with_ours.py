"""This project's Loader as README.md and docs/streaming.md say: blend and batch size, for a bucket cache folder and
limit, and a task's encode. `special` holds more settings, for cases that are named so; its "clip" are settings of the
clip, its "cache" more of the cache."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from answer import main
from question import Batch, Question
from undecoded import PIXEL, undecoded


def load() -> None:
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401
    from PIL import Image

    import shards.loader.loader  # noqa: F401

    Image.preinit()
    if "s3://" in sys.argv[2]:
        import s3fs  # noqa: F401


def batches(question: Question) -> Iterator[Batch]:
    from shards import ClipConfig, EncodedClip, Loader, LoaderConfig, Sample, plan_clip
    from shards.loader import RngFactory

    special = dict(question.special)
    clip = ClipConfig(num_frames=1, size=question.size or 1, **special.pop("clip", {}))
    settings: dict[str, Any] = {"blend": [{"name": "bench", "path": question.url}], "batch_size": question.batch}
    if question.cache:
        settings["cache"] = {"folder": question.cache, "limit": question.cache_bytes, **special.pop("cache", {})}
    length = np.zeros(1, np.int64)

    def encode(sample: Sample, rng: RngFactory) -> EncodedClip:
        if not question.size:
            meta = {"record": sample.record, "medium": sample.media}
            return EncodedClip(sample.media, "image", PIXEL, {"length": length}, meta)
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, {"length": length}, {"record": sample.record})

    if not question.size:
        undecoded()
    config = LoaderConfig.model_validate(settings | special)
    with Loader(config, 0, 1, encode) as loader:
        done = 0
        while done < question.samples:
            batch = next(loader)
            assert batch.valid.all() and not batch.failures, batch.failures
            done += question.batch
            media = batch.frames[:, 0] if question.size else [meta["medium"] for meta in batch.meta]
            yield media, [meta["record"] for meta in batch.meta]


if __name__ == "__main__":
    main(load, batches)
