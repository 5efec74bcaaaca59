"""A loader whose elements lie in one window, with nothing made ahead: its batches show what each stage does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from shards.loader.loader import Loader
from shards.loader.setup import Encode
from shards.loader.stages.batch import Batch
from tests.shards.small_dataset import config, encode


@contextmanager
def opened(
    folder: Path | str, task: Encode = encode, rank: int = 0, world_size: int = 1, **fields: Any
) -> Iterator[Loader]:
    """All elements in one window, nothing made ahead."""
    settings = {"streams": 1, "window": 12, "prefetch_batches": 0, "max_failure_rate": None} | fields
    with Loader(config(("web", folder), **settings), rank, world_size, task) as loader:
        yield loader


def singles(folder: Path) -> list[Batch]:
    """The elements of a pass of training, in batches of one."""
    with opened(folder, batch_size=1) as loader:
        return [next(loader) for _ in range(12)]


def told(batch: Batch) -> tuple[Any, ...]:
    return batch.meta, batch.origins, batch.failures, np.asarray(batch.frames).tobytes(), batch.arrays["codes"].tolist()
