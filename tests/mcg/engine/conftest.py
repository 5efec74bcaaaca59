"""An engine that has made one step, for the tests of what it saves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from mcg.engine.deepspeed import Engine
from tests.mcg.engine.small_engine import make_batch, make_engine


@pytest.fixture(scope="module")
def engine(device: torch.device) -> Iterator[Engine]:
    made = make_engine(device)
    made.train_step([make_batch()])
    yield made
    made.close()
