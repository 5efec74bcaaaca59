"""Two real ranks of one machine, run once: what the tests of losses and of distributed compare with one process."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch.multiprocessing

from tests.mcg.two_ranks import run_both, run_one


@pytest.fixture(scope="session")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one.safetensors (one process, whole batch), and 0 and 1 .safetensors (half each) and .json."""
    folder = tmp_path_factory.mktemp("two_ranks")
    torch.multiprocessing.spawn(run_both, args=(str(folder),), nprocs=2)
    run_one(str(folder))
    return folder
