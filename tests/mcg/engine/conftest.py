"""The process group that DeepSpeed needs even for one process, joined once; the environment is put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from mcg.engine.deepspeed import start_distributed, stop_distributed


@pytest.fixture(scope="session")
def device() -> Iterator[torch.device]:
    before = dict(os.environ)
    yield start_distributed()
    stop_distributed()
    os.environ.clear()
    os.environ.update(before)
