"""What threads make of planned elements: each slot depends on its element alone, a batch is whole, errors keep the
order of the slots, and what is given up is left where it stands. Seen through a loader."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shards.decode.backends import BACKENDS
from shards.decode.cpu import decode
from shards.decode.decoder import Backend, Frames
from shards.loader.loader import Loader
from shards.loader.stages.batch import Batch
from shards.loader.worker import Encode, RngFactory
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media
from shards.read.sample import Sample
from tests.shards.far_folder import WAIT, until
from tests.shards.small_dataset import config, encode, seen, write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("web"), "web", 12, records_of=(1,), broken=(2,))


@contextmanager
def opened(folder: Path, task: Encode = encode, rank: int = 0, world_size: int = 1, **fields: Any) -> Iterator[Loader]:
    """All elements in one window, nothing made ahead."""
    settings = {"streams": 1, "window": 12, "prefetch_batches": 0, "max_failure_rate": None} | fields
    with Loader(config(("web", folder), **settings), rank, world_size, task) as loader:
        yield loader


def singles(folder: Path) -> list[Batch]:
    """The elements of a pass of training, in batches of one."""
    with opened(folder, batch_size=1) as loader:
        return [next(loader) for _ in range(12)]


def told(batch: Batch) -> tuple[Any, ...]:
    return batch.meta, batch.origins, batch.failures, np.asarray(batch.frames).tobytes(), batch.arrays["codes"].tolist()


def test_a_slot_is_a_function_of_its_element(folder: Path) -> None:
    """Whatever was made before it, beside it, or by which thread."""
    expected = [told(batch) for batch in singles(folder)]
    with opened(folder, batch_size=1) as loader:
        states = []
        for _ in range(12):
            states.append(loader.state_dict())
            next(loader)
    for position in reversed(range(12)):
        with opened(folder, batch_size=1) as loader:
            loader.load_state_dict(states[position])
            assert told(next(loader)) == expected[position]
    with opened(folder, batch_size=12, threads=4) as loader:
        whole = next(loader)
    for number, (meta, origins, failures, frames, _) in enumerate(expected):
        assert [whole.meta[number], whole.origins[number]] == [*meta, *origins]
        assert (list(whole.slot_failures[number]), np.asarray(whole.frames[number]).tobytes()) == (failures, frames)


def test_a_substitute_has_draws_of_its_own_and_reports_what_failed(folder: Path) -> None:
    batches = singles(folder)
    [bad] = [batch for batch in batches if batch.failures]
    assert bad.valid.all() and bad.origins[0].key != "0002"
    first = bad.failures[0]
    assert first.origin.key == "0002" and first.row == 2 and not first.lasting
    [own] = [batch for batch in batches if batch.origins == bad.origins and not batch.failures]
    assert own.meta[0]["caption"] == bad.meta[0]["caption"] and own.meta[0]["drawn"] != bad.meta[0]["drawn"]


def test_evaluation_leaves_a_bad_slot_bad_but_keeps_its_meta(folder: Path) -> None:
    with opened(folder, batch_size=4, mode="eval") as loader:
        batch = next(loader)
    assert batch.valid.tolist() == [True, True, False, True] and len(batch.failures) == 1
    assert batch.meta[2]["caption"] == "web-2-0"


def test_padding_copies_a_good_slot(folder: Path) -> None:
    with opened(folder, batch_size=8, mode="eval") as loader:
        *_, batch = loader
    assert batch.valid.tolist() == [True] * 4 + [False] * 4 and batch.dataset == "web"
    assert all((frames == batch.frames[0]).all() for frames in batch.frames[4:])


def test_padding_alone_copies_what_was_copied_last_or_looks_for_an_element(tmp_path: Path) -> None:
    """Of four ranks two get nothing of the last batch; the bad element was one of the last rank's first two."""
    folder = write_dataset(tmp_path / "web", "web", 12, records_of=(1,), broken=(6,))
    grays = []
    for rank in (2, 3):
        with opened(folder, rank=rank, world_size=4, batch_size=8, mode="eval") as loader:
            *_, batch = loader
        assert not batch.valid.any() and batch.failures == [] and batch.frames.shape == (2, 2, 4, 4, 3)
        assert len(np.unique(np.asarray(batch.frames))) == 1
        grays.append(int(batch.frames[0].max()))
    assert grays[0] in {*range(12)} - {6} and grays[1] == 7


def test_a_batch_comes_when_its_last_slot_is_there(folder: Path) -> None:
    first, others = threading.Event(), threading.Semaphore(0)

    def first_is_late(sample: Sample, rng: RngFactory) -> EncodedClip:
        if sample.origin.key == "0000":
            assert first.wait(WAIT)
        else:
            others.release()
        return encode(sample, rng)

    with opened(folder, first_is_late, batch_size=4, mode="eval", threads=2) as loader:
        batches: list[Batch] = []
        consumer = threading.Thread(target=lambda: batches.append(next(loader)))
        consumer.start()
        for _ in range(3):
            assert others.acquire(timeout=WAIT)
        assert not batches and consumer.is_alive()
        first.set()
        consumer.join(WAIT)
        assert [origin.key for origin in batches[0].origins] == ["0000", "0001", "0002", "0003"]


ODD: dict[str, Callable[[np.ndarray], Frames]] = {
    r"\(1, 4, 4, 3\) uint8": lambda frames: frames[:1],
    r"\(2, 4, 4, 3\) int16": lambda frames: frames.astype(np.int16),
    r"\(2, 4, 4, 3\) uint8 tensor on cpu": lambda frames: torch.from_numpy(frames),
}


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize("form", ODD)
def test_a_clip_of_another_form_is_refused_whatever_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, number: int
) -> None:
    def decode_oddly(media: Media, kind: str, plan: ClipPlan) -> Frames:
        frames = decode(media, kind, plan)
        return ODD[form](frames) if frames.max() == number else frames

    monkeypatch.setitem(BACKENDS, "cpu", lambda count: Backend("odd", decode_oddly))
    match = rf"clips of one batch must have one shape.*has {form}"
    folder = write_dataset(tmp_path / "web", "web", 4, records_of=(1,))
    with (
        opened(folder, batch_size=4, mode="eval", threads=1, decode="cpu") as loader,
        pytest.raises(ValueError, match=match),
    ):
        next(loader)


def test_clips_are_put_into_their_batch_without_a_copy_of_all(tmp_path: Path) -> None:
    """Beside the batch no more is held than what the threads are decoding."""
    side, num_frames, batch_size = 192, 4, 24

    def large(sample: Sample, rng: RngFactory) -> EncodedClip:
        plan = ClipPlan(frames=(0,) * num_frames, resize=(side, side), crop=(0, 0, side, side))
        return EncodedClip(sample.media, sample.facts.kind, plan, {}, {})

    folder = write_dataset(tmp_path / "web", "web", 2 * batch_size, records_of=(1,))
    with opened(folder, large, batch_size=batch_size, threads=2) as loader:
        next(loader)
        tracemalloc.start()
        try:
            batch = next(loader)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    whole = int(batch.frames.nbytes)
    assert whole == batch_size * num_frames * side * side * 3
    assert whole <= most < 1.5 * whole


def test_of_several_errors_the_first_slot_speaks(folder: Path) -> None:
    with opened(folder, batch_size=3) as loader:
        first, *_ = next(loader).origins
    others = threading.Semaphore(0)

    def buggy(sample: Sample, rng: RngFactory) -> EncodedClip:
        if sample.origin == first:
            for _ in range(2):  # it fails last
                assert others.acquire(timeout=WAIT)
        else:
            others.release()
        raise RuntimeError(sample.origin.key)

    with opened(folder, buggy, batch_size=3, threads=3) as loader, pytest.raises(RuntimeError) as raised:
        next(loader)
    assert str(raised.value) == first.key
    assert f"while the loader was at encode of {first} (element" in raised.value.__notes__[0]


@pytest.mark.parametrize("records", [1, 4], ids=["between samples", "between records of a sample"])
def test_what_is_given_up_is_left_where_it_stands(tmp_path: Path, records: int) -> None:
    """A batch made ahead is in its first slot when another place is loaded: its other slots are not worked on."""
    started, release = threading.Event(), threading.Event()
    encoded: list[str] = []

    def slow(sample: Sample, rng: RngFactory) -> EncodedClip:
        encoded.append(sample.record["caption"])
        if len(encoded) == 5:
            started.set()
            assert release.wait(WAIT)
        return encode(sample, rng)

    folder = write_dataset(tmp_path / "web", "web", 24 // records, records_of=(records,))
    with opened(folder, slow, batch_size=4, mode="eval", threads=1, prefetch_batches=1, fetch_batches=0) as loader:
        first = seen(next(loader))
        state = loader.state_dict()
        assert started.wait(WAIT)
        loader.load_state_dict(state)
        release.set()
        second = seen(next(loader))
        until(lambda: len(encoded) >= 4 + 1 + 4 + 4)
    captions = [caption for caption, _ in first + second]
    assert captions == encoded[:4] + encoded[5:9] and encoded[4] == encoded[5]
    assert len(encoded) == len(first) + 1 + 4 + 4
