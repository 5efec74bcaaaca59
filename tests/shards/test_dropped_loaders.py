"""A loader that is dropped without close, however its use ended, is collected with its threads, files and memory."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from torchdata.stateful_dataloader import StatefulDataLoader

from shards.base.errors import DatasetError, SourceError, TooManyFailures
from shards.loader.loader import Loader
from shards.loader.setup import RngFactory
from shards.loader.torch_dataset import TorchDataset
from shards.media.clip import EncodedClip
from shards.read.sample import Sample
from tests.shards.far_folder import WAIT
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import config, encode, write_dataset

NUM_LOADERS = 20


@pytest.fixture(scope="module")
def cc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 samples in 8 shards."""
    return write_dataset(tmp_path_factory.mktemp("cc"), "cc", 40, broken=(1,))


class Task:
    """A task that knows its loader, as a program's own object may."""

    def __init__(self) -> None:
        self.loader: Loader | None = None
        self.calls = 0
        self.fails = False

    def encode(self, sample: Sample, rng: RngFactory) -> EncodedClip:
        self.calls += 1
        if self.fails and self.calls > 12:
            raise KeyError("mine")
        return encode(sample, rng)


def encode_raises(loader: Loader, task: Task) -> None:
    task.fails = True
    with pytest.raises(KeyError):
        for _ in loader:
            pass


def the_folder_goes_away(loader: Loader, task: Task) -> None:
    """Its shards are cut to nothing."""
    next(loader)
    folder = Path(loader.config.blend[0].path)
    for shard in folder.glob("*.tar"):
        shard.write_bytes(b"")
    with pytest.raises(DatasetError, match=r"\.tar"):
        for _ in loader:
            pass


def it_is_interrupted(loader: Loader, task: Task) -> None:
    with pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(loader):
            if number == 2:
                raise KeyboardInterrupt


def too_much_fails(loader: Loader, task: Task) -> None:
    with pytest.raises(TooManyFailures):
        for _ in loader:
            pass


def it_is_left_half_way(loader: Loader, task: Task) -> None:
    batches = iter(loader)
    next(batches)


def torch_uses_it(loader: Loader, task: Task) -> None:
    batches = iter(StatefulDataLoader(TorchDataset(loader), batch_size=None))
    next(batches)
    task.fails = True
    with pytest.raises(KeyError):
        for _ in batches:
            pass


def nothing_is_asked_of_it(loader: Loader, task: Task) -> None:
    pass


Use = Callable[[Loader, Task], None]
USES: tuple[Use, ...] = (
    encode_raises,
    the_folder_goes_away,
    it_is_interrupted,
    too_much_fails,
    it_is_left_half_way,
    torch_uses_it,
    nothing_is_asked_of_it,
)


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("shards-")]


def num_files(under: Path) -> int:
    return sum(file.path.startswith(str(under)) for file in psutil.Process().open_files())


def use_and_drop(url: str | Path, use: Use, **fields: object) -> weakref.ref[Loader]:
    task = Task()
    if use is too_much_fails:
        fields["max_failures"] = 0
    settings = config(("cc", url), streams=1, window=40, max_failure_rate=None, prefetch_batches=4, **fields)
    task.loader = Loader(settings, 0, 1, task.encode)
    use(task.loader, task)
    return weakref.ref(task.loader)


def all_gone(loaders: list[weakref.ref[Loader]]) -> bool:
    """Work that had begun may hold a loader for a moment more, where the task knows it."""
    pause = threading.Event()
    for _ in range(int(WAIT / 0.01)):
        gc.collect()
        if not any(ref() for ref in loaders) and not own_threads():
            return True
        pause.wait(0.01)
    return False


@pytest.mark.parametrize("use", USES)
def test_dropped_loaders_leave_no_threads_files_or_memory(cc: Path, tmp_path: Path, use: Use) -> None:
    assert all_gone([])
    loaders = []
    for number in range(NUM_LOADERS):
        folder = shutil.copytree(cc, tmp_path / str(number)) if use is the_folder_goes_away else cc
        loaders.append(use_and_drop(folder, use))
    assert all_gone(loaders)
    assert num_files(cc) == num_files(tmp_path) == 0


@pytest.fixture
def store(cc: Path) -> Iterator[HttpStore]:
    store = HttpStore()
    store.hold(cc)
    with store.running():
        yield store


def test_dropped_loaders_whose_store_goes_away_leave_no_threads_or_memory(store: HttpStore) -> None:
    def the_store_goes_away(loader: Loader, task: Task) -> None:
        next(loader)
        store.faults.extend([403] * 1000)
        with pytest.raises(SourceError):
            for _ in loader:
                pass
        store.faults.clear()

    assert all_gone([])
    assert all_gone([use_and_drop(store.url, the_store_goes_away) for _ in range(NUM_LOADERS)])


@pytest.mark.parametrize("use", [encode_raises, it_is_left_half_way])
def test_dropped_loaders_with_a_cache_leave_no_threads_or_files(store: HttpStore, tmp_path: Path, use: Use) -> None:
    room = {"folder": str(tmp_path), "limit": 1 << 20}
    loaders = [use_and_drop(store.url, use, cache=room) for _ in range(5)]
    assert all_gone(loaders)
    assert num_files(tmp_path) == 0
