"""What the tests of reading share: a small dataset, and a generator that draws records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path: Path, build_dataset: Callable[..., str]) -> Path:
    return Path(build_dataset(tmp_path / "toy"))


@pytest.fixture
def draw() -> np.random.Generator:
    return np.random.default_rng(0)
