"""What tests of several folders of mcg need: two real ranks run once, a process group, WordNet, annotations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mcg.engine.deepspeed import start_distributed, stop_distributed
from mcg.metrics.wordnet import WordNet
from tests.forked import run_ranks
from tests.mcg.two_ranks import run_both, run_one


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one.safetensors (one process, whole batch), and 0 and 1 .safetensors (half each) and .json."""
    folder = tmp_path_factory.mktemp("two_ranks")
    run_ranks(run_both, (str(folder),), 2)
    run_one(str(folder))
    return folder


@pytest.fixture(scope="session")
def device() -> Iterator[torch.device]:
    """The process group that DeepSpeed needs even for one process, joined once; the environment is put back after."""
    before = dict(os.environ)
    yield start_distributed()
    stop_distributed()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def wordnet(wordnet_folder: Path) -> WordNet:
    """The real WordNet."""
    return WordNet(wordnet_folder)


@pytest.fixture(scope="session")
def annotations() -> Path:
    """The folder of published annotation files (see MCG_ANNOTATIONS in CONTRIBUTING.md)."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "annotations"
    folder = Path(os.environ.get("MCG_ANNOTATIONS", beside))
    if not folder.is_dir():
        pytest.skip(f"no published annotations in {folder}; MCG_ANNOTATIONS names another place")
    return folder
