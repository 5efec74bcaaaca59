"""A loader inside torchdata's StatefulDataLoader: the same batches, exact resume, and no worker processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.stateful import Stateful

from shards.loader.loader import Loader
from shards.loader.stages.batch import Batch
from shards.loader.torch_dataset import TorchDataset
from tests.shards.conftest import REPOSITORY
from tests.shards.fresh import FRESH
from tests.shards.small_dataset import config, encode, seen, sequence


def open_loader(folder: Path, **fields: Any) -> Loader:
    return Loader(config(("cc", folder), **fields), 0, 1, encode)


def wrap(loader: Loader, **options: Any) -> StatefulDataLoader:
    return StatefulDataLoader(TorchDataset(loader), batch_size=None, **options)


def test_a_loader_and_its_dataset_are_stateful(cc: Path) -> None:
    with open_loader(cc) as loader:
        assert isinstance(loader, Stateful) and isinstance(TorchDataset(loader), Stateful)


def test_batches_pass_unchanged(cc: Path) -> None:
    with open_loader(cc) as loader:
        expected = sequence([loader], 6)
    with open_loader(cc) as loader:
        batches = [batch for batch, _ in zip(wrap(loader), range(6), strict=False)]
    assert all(isinstance(batch, Batch) for batch in batches)
    assert [seen(batch) for batch in batches] == expected


@pytest.mark.parametrize("stop", [0, 1, 3, 7])
def test_training_resumes_in_the_middle_of_a_pass(cc: Path, stop: int) -> None:
    with open_loader(cc) as loader:
        expected = sequence([loader], 10)
    with open_loader(cc) as loader:
        outer = wrap(loader)
        batches = iter(outer)
        assert [seen(next(batches)) for _ in range(stop)] == expected[:stop]
        state = outer.state_dict()
        next(batches)
    with open_loader(cc) as loader:
        outer = wrap(loader)
        outer.load_state_dict(state)
        batches = iter(outer)
        assert [seen(next(batches)) for _ in range(10 - stop)] == expected[stop:]


@pytest.mark.parametrize("stop", [0, 2, 5])
def test_an_evaluation_resumes_and_the_next_one_is_whole(cc: Path, stop: int) -> None:
    with open_loader(cc, mode="eval") as loader:
        expected = [seen(batch) for batch in loader]
        assert len(expected) == 5
    with open_loader(cc, mode="eval") as loader:
        outer = wrap(loader)
        batches = iter(outer)
        assert [seen(next(batches)) for _ in range(stop)] == expected[:stop]
        state = outer.state_dict()
    with open_loader(cc, mode="eval") as loader:
        outer = wrap(loader)
        outer.load_state_dict(state)
        assert [seen(batch) for batch in outer] == expected[stop:]
        assert [seen(batch) for batch in outer] == expected


def test_a_finished_evaluation_starts_anew_after_a_resume(cc: Path) -> None:
    with open_loader(cc, mode="eval") as loader:
        outer = wrap(loader)
        expected = [seen(batch) for batch in outer]
        state = outer.state_dict()
        assert [seen(batch) for batch in outer] == expected
    with open_loader(cc, mode="eval") as loader:
        outer = wrap(loader)
        outer.load_state_dict(state)
        assert [seen(batch) for batch in outer] == expected


class OpenedInWorker(TorchDataset):
    """A dataset whose loader is opened in the worker process that is to read from it: none can be sent there."""

    def __init__(self, folder: Path, used: bool) -> None:
        self.folder, self.used = folder, used

    def __iter__(self) -> Iterator[Batch]:
        super().__init__(open_loader(self.folder))
        if self.used:
            next(self.loader)
        return super().__iter__()


@pytest.mark.parametrize("used", [False, True])
def test_worker_processes_are_refused_with_the_reason(cc: Path, used: bool) -> None:
    dataset = OpenedInWorker(cc, used)
    with pytest.raises(ValueError, match=r"num_workers is 2, must be 0: the loader reads and decodes in threads"):
        next(iter(StatefulDataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=FRESH)))


def test_a_loader_is_not_sent_to_another_process(cc: Path) -> None:
    with open_loader(cc) as loader, pytest.raises(TypeError, match=r"a Loader has threads .* \(in a DataLoader: num_w"):
        next(iter(wrap(loader, num_workers=1, multiprocessing_context="spawn")))


def test_a_loader_needs_no_torch(cc: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.shards.small_dataset import config, encode\n"
        "from shards import Loader\n"
        f"with Loader(config(('cc', Path({str(cc)!r}))), 0, 1, encode) as loader: next(loader)\n"
        "print(sorted({'torch', 'torchdata', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
