"""Datasets to report on: the first clips and pictures of samples/, and tiny pictures in any number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shards.small_dataset import write_dataset
from tests.tools.commands.command_line import ROOT, invoke


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first four clips of the samples as a dataset."""
    out = tmp_path_factory.mktemp("clips") / "webvid"
    words = ["--annotations", ROOT / "samples/webvid/results_2M_train.csv", "--media", ROOT / "samples"]
    assert invoke("build", "webvid", *words, "--limit", "4", "--out", out).exit_code == 0
    return out


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures of 4 pixels in shards of 7, each with one to three captions."""
    return write_dataset(tmp_path_factory.mktemp("many") / "d", "many", 60, per_shard=7)
