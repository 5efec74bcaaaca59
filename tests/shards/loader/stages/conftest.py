"""A dataset for tests of single stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shards.small_dataset import write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 samples of one record; the third is no picture."""
    return write_dataset(tmp_path_factory.mktemp("web"), "web", 12, records_of=(1,), broken=(2,))
