"""Slots: a batch is whole when its last slot is there, and frames are put into it without a copy of all."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from shards.decode.backends import BACKENDS
from shards.decode.cpu import decode
from shards.decode.decoder import Backend, Frames
from shards.loader.setup import RngFactory
from shards.loader.stages.batch import Batch
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.medium import Media
from shards.read.sample import Sample
from tests.shards.far_folder import WAIT
from tests.shards.one_window import opened
from tests.shards.small_dataset import encode, write_dataset


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

    monkeypatch.setitem(BACKENDS, "cpu", lambda *_: Backend("odd", decode_oddly))
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
