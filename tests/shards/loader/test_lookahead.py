"""A loader over a remote store: the same batches through a cache as from a folder, and each shard brought in time."""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.base.errors import ConfigError
from shards.cache.downloads import Downloads
from shards.cache.shard_cache import ShardCache
from shards.dataset.index.index import Index
from shards.loader.config import DatasetConfig, LoaderConfig
from shards.loader.feed import open_feed
from shards.loader.loader import Loader
from shards.read.fetched import Fetched
from shards.read.reader import Reader
from shards.storage.open import open_source
from tests.shards.far_folder import WAIT, download_threads_ended
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import encode, seen, sequence, wait_for_shards, write_dataset

BATCH = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    write_dataset(folder / "cc", "cc", 60)
    write_dataset(folder / "web", "web", 40)
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[HttpStore]:
    store = HttpStore()
    for file in folder.glob("*/*"):
        store.files[f"/{file.relative_to(folder)}"] = file.read_bytes()
    with store.running():
        yield store


def settings(root: str | Path, names: tuple[str, ...] = ("cc", "web"), **fields: Any) -> LoaderConfig:
    blend = tuple(DatasetConfig(name=name, path=f"{root}/{name}", weight=2 if name == "cc" else 1) for name in names)
    return LoaderConfig.model_validate({"blend": blend, "batch_size": BATCH, "streams": 2, "window": 10} | fields)


def shard_bytes(folder: Path, names: tuple[str, ...] = ("cc", "web")) -> int:
    return sum(file.stat().st_size for name in names for file in (folder / name).glob("*.tar"))


def batches(config: LoaderConfig, number: int, world_size: int = 1) -> list[list[tuple[str, int]]]:
    loaders = [Loader(config, rank, world_size, encode) for rank in range(world_size)]
    try:
        return sequence(loaders, number)
    finally:
        for loader in loaders:
            loader.close()
        assert download_threads_ended()


def patient(loaders: list[Loader], number: int) -> list[list[tuple[str, int]]]:
    """The batches of a run that waits after each for its shards: only then is it no chance which are brought."""
    found = []
    for _ in range(number):
        found += sequence(loaders, 1)
        for loader in loaders:
            wait_for_shards(loader)
    return found


def downloads(store: HttpStore) -> Counter[str]:
    """How often each shard was asked for whole."""
    whole = Counter()
    for method, path, wanted in store.requests:
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "")
        if method == "GET" and path.endswith(".tar") and span and int(span[2]) + 1 == len(store.files[path]):
            whole[path] += span[1] == "0"
    return +whole


@pytest.mark.parametrize("share", [2.0, 0.6])
def test_batches_through_a_cache_are_those_from_a_folder(
    folder: Path, store: HttpStore, tmp_path: Path, share: float
) -> None:
    """Several passes over two datasets, with room for all shards and for some of them."""
    limit = int(share * shard_bytes(folder))
    expected = batches(settings(folder), 60)
    cached = settings(store.url, cache={"folder": str(tmp_path), "limit": limit})
    assert batches(cached, 60) == expected
    assert sum(file.stat().st_size for file in tmp_path.glob("*-*")) <= limit
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("seed", [0, 1])
def test_shards_that_come_late_and_in_any_order_change_no_batch(
    folder: Path, store: HttpStore, tmp_path: Path, seed: int
) -> None:
    """The default order. Every request for a shard waits until it is let through, one at a time, drawn at random."""
    default = {"streams": None, "window": None}
    expected = batches(settings(folder, **default), 30)
    held: list[threading.Event] = []
    over = threading.Event()

    def gate(method: str, path: str, range_: str) -> threading.Event | None:
        if not path.endswith(".tar"):
            return None
        event = threading.Event()
        held.append(event)
        return event

    def let_through() -> None:
        draw = random.Random(seed)
        while not over.is_set() or held:
            if held:
                held.pop(draw.randrange(len(held))).set()
            over.wait(0.001)

    store.gate = gate
    porter = threading.Thread(target=let_through)
    porter.start()
    try:
        cache = {"folder": str(tmp_path), "limit": 2 * shard_bytes(folder), "connections": 3}
        assert batches(settings(store.url, cache=cache, **default), 30) == expected
    finally:
        over.set()
        porter.join(WAIT)


def test_batches_without_a_cache_are_those_from_a_folder(folder: Path, store: HttpStore) -> None:
    assert batches(settings(store.url), 30) == batches(settings(folder), 30)


def test_with_room_each_shard_comes_once_and_a_second_run_finds_all(
    folder: Path, store: HttpStore, tmp_path: Path
) -> None:
    cached = settings(store.url, cache={"folder": str(tmp_path), "limit": 2 * shard_bytes(folder)})
    with Loader(cached, 0, 1, encode) as loader:
        expected = patient([loader], 40)
    assert set(downloads(store).values()) == {1}
    store.requests.clear()
    with Loader(cached, 0, 1, encode) as loader:
        assert sequence([loader], 40) == expected
        traffic = loader.stats.snapshot().traffic
    assert not [path for _, path, _ in store.requests if path.endswith(".tar")]
    assert traffic["cache_hits"] >= 40 * BATCH and traffic["part"] == 0


def test_batches_whose_shards_are_here_are_fetched_together_and_others_alone(
    folder: Path, store: HttpStore, tmp_path: Path
) -> None:
    def reads(root: str | Path, **fields: Any) -> int:
        with Loader(settings(root, ("cc",), **fields), 0, 1, encode) as loader:
            loader.hold = True  # or more batches would be asked for before it is known that their shards are here
            next(loader)
            if loader.downloads is not None:
                assert loader.downloads.wait(WAIT)
            loader.hold = False
            for _ in range(40):
                next(loader)
            return loader.stats.snapshot().times["read"].count

    cache = {"folder": str(tmp_path), "limit": 2 * shard_bytes(folder)}
    assert reads(store.url) >= 40
    reads(store.url, cache=cache)
    assert max(reads(store.url, cache=cache), reads(folder)) < 20


def test_an_evaluation_through_a_cache_gives_every_element_once_in_order(
    folder: Path, store: HttpStore, tmp_path: Path
) -> None:
    def evaluate(root: str | Path, **fields: Any) -> list[tuple[str, int]]:
        with Loader(settings(root, mode="eval", **fields), 0, 1, encode) as loader:
            return [pair for batch in loader for pair in seen(batch)]

    # room for a few shards only: what was read goes
    room = shard_bytes(folder) // 5
    assert evaluate(store.url, cache={"folder": str(tmp_path), "limit": room}) == evaluate(folder)


def test_a_run_stopped_anywhere_goes_on_the_same_with_another_cache(
    folder: Path, store: HttpStore, tmp_path: Path
) -> None:
    expected = batches(settings(folder), 30)
    found, state = [], None
    for number in range(3):
        room = {"folder": str(tmp_path / str(number)), "limit": 2 * shard_bytes(folder)}
        with Loader(settings(store.url, cache=room), 0, 1, encode) as loader:
            if state is not None:
                loader.load_state_dict(state)
            found += sequence([loader], 10)
            state = loader.state_dict()
    assert found == expected


def test_a_copy_that_is_damaged_on_the_disk_costs_no_sample(folder: Path, store: HttpStore, tmp_path: Path) -> None:
    expected = batches(settings(folder), 40)
    cached = settings(store.url, cache={"folder": str(tmp_path), "limit": 2 * shard_bytes(folder)}, verify="always")
    with Loader(cached, 0, 1, encode) as loader:
        found = sequence([loader], 10)
        for file in tmp_path.glob("*.tar"):
            with file.open("r+b") as damaged:
                damaged.write(b"\xff" * file.stat().st_size)
        found += sequence([loader], 30)
        assert loader.stats.accounting.failed == 0
    assert found == expected


def test_a_damaged_copy_that_several_threads_find_at_once_costs_no_sample(
    folder: Path, store: HttpStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has read the copy before the first of them drops it."""
    reader, downloads = Reader("cc", f"{store.url}/cc"), Downloads(ShardCache(tmp_path, 10**8))
    reader.read_through(downloads)
    assert reader.cache is not None
    reader.cache.want(reader.index.shards.names[:1])
    assert downloads.wait(WAIT)
    [copy] = tmp_path.glob("*.tar")
    with copy.open("r+b") as damaged:
        damaged.write(b"\xff" * copy.stat().st_size)
    all_have_read, real_pread, the_copy = threading.Barrier(4), os.pread, copy.stat()

    def pread(fd: int, length: int, offset: int) -> bytes:
        data = real_pread(fd, length, offset)
        if os.path.samestat(os.fstat(fd), the_copy):
            all_have_read.wait(WAIT)
        return data

    monkeypatch.setattr(os, "pread", pread)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda row: reader.fetch([0], [row])[0], range(4)))
    downloads.close()
    assert [type(one) for one in found] == [Fetched] * 4
    assert not copy.exists()


def test_a_cache_that_cannot_hold_what_is_in_use_is_refused(folder: Path, store: HttpStore, tmp_path: Path) -> None:
    config = settings(store.url, cache={"folder": str(tmp_path), "limit": 1000})
    with pytest.raises(ValueError, match=r"limit is 1,000 bytes.*in use at once.*set cache.limit to at least [\d,]+"):
        Loader(config, 0, 1, encode)


def test_ranks_that_own_streams_bring_their_own_shards(folder: Path, store: HttpStore, tmp_path: Path) -> None:
    """Two nodes: the shard that is split between the streams comes twice, all others once."""
    one = settings(folder, ("cc",))
    expected = batches(one, 20)
    loaders = []
    for rank in range(2):
        room = {"folder": str(tmp_path / str(rank)), "limit": 2 * shard_bytes(folder)}
        loaders.append(Loader(settings(store.url, ("cc",), cache=room), rank, 2, encode))
    assert patient(loaders, 20) == expected
    for loader in loaders:
        loader.close()
    twice = [path for path, count in downloads(store).items() if count > 1]
    assert len(twice) <= 1 and max(downloads(store).values()) <= 2


def test_ranks_of_one_node_bring_each_shard_once(folder: Path, store: HttpStore, tmp_path: Path) -> None:
    expected = batches(settings(folder), 30)
    room = {"folder": str(tmp_path), "limit": 2 * shard_bytes(folder)}
    with (
        Loader(settings(store.url, cache=room), 0, 2, encode) as first,
        Loader(settings(store.url, cache=room), 1, 2, encode) as second,
    ):
        assert patient([first, second], 30) == expected
    assert set(downloads(store).values()) == {1}


def test_a_shard_that_was_replaced_in_the_store_stops_the_run(store: HttpStore, folder: Path, tmp_path: Path) -> None:
    for path in [path for path in store.files if path.endswith(".tar")]:
        store.files[path] = bytes(512) + store.files[path]
    config = settings(store.url, cache={"folder": str(tmp_path), "limit": 2 * shard_bytes(folder)})
    with (
        Loader(config, 0, 1, encode) as loader,
        pytest.raises(ValueError, match=r"\.tar: has \d+ bytes, the index expects"),
    ):
        next(loader)


def test_the_index_is_not_read_through_the_cache(folder: Path, store: HttpStore, tmp_path: Path) -> None:
    config = settings(store.url, cache={"folder": str(tmp_path), "limit": 2 * shard_bytes(folder)})
    with Loader(config, 0, 1, encode):
        pass
    assert not list(tmp_path.glob("*-*"))
    shutil.rmtree(tmp_path)
    assert Index.open(open_source(f"{store.url}/cc")).shards.names


def test_ranks_that_share_a_stream_bring_its_shards_alone(folder: Path, store: HttpStore, tmp_path: Path) -> None:
    """Four nodes, of which two draw from each of the two streams."""
    one = settings(folder, ("cc",))
    expected = batches(one, 5)
    order = open_feed(one.blend[0], one).order
    at, names = order.at(np.arange(order.num_elements)), Index.open(open_source(f"{folder}/cc")).shards.names
    brought = []
    for rank in range(4):
        store.requests.clear()
        room = {"folder": str(tmp_path / str(rank)), "limit": 2 * shard_bytes(folder)}
        with Loader(settings(store.url, ("cc",), cache=room), rank, 4, encode) as loader:
            found = patient([loader], 5)
        assert found == [batch[rank * BATCH // 4 : (rank + 1) * BATCH // 4] for batch in expected]
        of_stream = {f"/cc/{names[shard]}" for shard in at.shard[at.stream == rank // 2].tolist()}
        assert set(downloads(store)) <= of_stream
        brought.append(len(downloads(store)))
    assert min(brought) > 1


@pytest.mark.parametrize(
    ("world_size", "told"),
    [
        (2, "2 shards that this rank draws from now, and the next one"),
        (8, "[12] shards that this rank draws from now, and the next one, for each of 2 ranks of this node"),
    ],
)
def test_ranks_of_a_node_share_its_cache(
    folder: Path, store: HttpStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world_size: int, told: str
) -> None:
    """Each of two has half of the room for its own shards, or all of it for those of all ranks: what needs less."""
    shard = max(file.stat().st_size for file in (folder / "cc").glob("*.tar"))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")

    def cached(limit: int) -> LoaderConfig:
        room = {"folder": str(tmp_path / str(limit)), "limit": limit}
        return settings(store.url, ("cc",), cache=room, streams=world_size)

    with pytest.raises(ValueError, match=rf"limit is {2 * shard:,} bytes.*at once \({told}\) have") as error:
        Loader(cached(2 * shard), 0, world_size, encode)
    enough = re.search(r"set cache.limit to at least ([\d,]+)", str(error.value))
    assert enough is not None
    Loader(cached(int(enough[1].replace(",", ""))), 0, world_size, encode).close()


def test_a_number_of_local_ranks_that_is_none_is_refused(
    store: HttpStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "two")
    cached = settings(store.url, ("cc",), cache={"folder": str(tmp_path), "limit": 10**6})
    with pytest.raises(ConfigError, match=r"LOCAL_WORLD_SIZE='two': expected a number of ranks above 0"):
        Loader(cached, 0, 2, encode)
