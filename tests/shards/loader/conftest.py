"""Datasets that several tests of the loader read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shards.small_dataset import write_dataset

BROKEN = (3, 11)
"""Numbers of the samples of `damaged` that are no pictures."""


@pytest.fixture(scope="module")
def cc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """19 samples in 4 shards, 38 records."""
    return write_dataset(tmp_path_factory.mktemp("cc"), "cc", 19)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """13 samples of one record."""
    return write_dataset(tmp_path_factory.mktemp("web"), "web", 13, records_of=(1,))


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """19 samples, two of them no pictures: 5 of the 38 records fail."""
    return write_dataset(tmp_path_factory.mktemp("damaged"), "damaged", 19, broken=BROKEN)
