"""A batch of the loader becomes tensors by name, without a change of values or types."""

from __future__ import annotations

import numpy as np
import torch

from mcg.engine.tensors import to_tensors
from shards import Batch
from tests.mcg.tasks.small_sample import ORIGIN


def test_a_batch_becomes_tensors_by_name() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 4, 3), dtype=np.uint8)
    arrays = {"text_ids": np.array([[1, 2], [3, 0]])}
    batch = Batch(frames, arrays, [{}, {}], [ORIGIN, ORIGIN], np.array([True, True]), "shapes", [])
    tensors = to_tensors(batch, torch.device("cpu"))
    assert set(tensors) == {"frames", "text_ids"}
    assert tensors["frames"].dtype == torch.uint8 and (tensors["frames"].numpy() == frames).all()
    assert tensors["text_ids"].dtype == torch.int64
