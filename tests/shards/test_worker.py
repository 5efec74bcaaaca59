"""The worker's own duties: slots are functions of their element, a batch is made once, errors come in slot order."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
import torch

from shards.clip import EncodedClip
from shards.decode import open_decoder
from shards.feed import Feed, open_feed
from shards.plan import Element, Place, Plan
from shards.quarantine import Ledger
from shards.sample import Sample
from shards.stats import Stats
from shards.worker import Encode, Pending, RngFactory, Worker
from tests.shards.small_dataset import config, encode, write_dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("web"), "web", 12, records_of=(1,), broken=(2,))


def make(folder: Path, task: Encode = encode, mode: str = "train") -> tuple[Worker, Feed]:
    settings = config(("web", folder), mode=mode, streams=1, window=12)
    feed = open_feed(settings.blend[0], settings)
    return Worker(settings, [feed], task, open_decoder("cpu"), Ledger(), Stats()), feed


def element_at(feed: Feed, position: int) -> Element:
    at = feed.order.at([position])
    return Element(0, position, int(at.pass_[0]), int(at.shard[0]), int(at.row[0]))


def pending_of(*elements: Element | None) -> Pending:
    return Pending(Plan(elements, 0, Place(0, (0,))))


def test_a_slot_is_a_function_of_its_element(folder: Path) -> None:
    for position in range(12):
        slots = []
        for _ in range(2):
            worker, feed = make(folder)
            slots.append(worker.slot(element_at(feed, position)))
        assert slots[0].meta == slots[1].meta and slots[0].origin == slots[1].origin
        assert slots[0].failures == slots[1].failures


def test_a_substitute_has_draws_of_its_own_and_reports_what_failed(folder: Path) -> None:
    worker, feed = make(folder)
    [bad] = [e for e in (element_at(feed, p) for p in range(12)) if feed.reader.origin(e.shard, e.row).key == "0002"]
    slot = worker.slot(bad)
    assert slot.frames is not None and slot.origin.key != "0002"
    assert slot.failures[0].origin.key == "0002" and slot.failures[0].row == 2 and not slot.failures[0].lasting
    [own] = [
        worker.slot(e)
        for e in (element_at(feed, p) for p in range(12))
        if feed.reader.origin(e.shard, e.row) == slot.origin
    ]
    assert own.meta["caption"] == slot.meta["caption"] and own.meta["drawn"] != slot.meta["drawn"]


def test_evaluation_leaves_a_bad_slot_bad_but_keeps_its_meta(folder: Path) -> None:
    worker, feed = make(folder, mode="eval")
    slot = worker.slot(element_at(feed, 2))
    assert slot.frames is None and len(slot.failures) == 1 and slot.meta["caption"] == "web-2-0"


def test_the_last_slot_makes_the_batch_and_padding_copies_a_good_slot(folder: Path) -> None:
    worker, feed = make(folder, mode="eval")
    pending = pending_of(element_at(feed, 0), None)
    worker.fetch(pending)
    worker.work(pending, 1)
    assert not pending.done.done()
    worker.work(pending, 0)
    batch = pending.done.result(0)
    assert batch is not None and batch.valid.tolist() == [True, False] and batch.dataset == "web"
    assert (batch.frames[0] == batch.frames[1]).all()
    only_padding = pending_of(None)
    worker.fetch(only_padding)
    worker.work(only_padding, 0)
    filled = only_padding.done.result(0)
    assert filled is not None and (filled.frames[0] == batch.frames[0]).all()


def test_clips_are_put_into_the_batch_as_they_come_whatever_comes_first() -> None:
    pending = pending_of(None, None, None)
    first, odd = np.full((2, 4, 4, 3), 1, np.uint8), np.full((1, 4, 4, 3), 2, np.uint8)
    there = pending.place(2, first)
    assert isinstance(there, np.ndarray) and there.base is pending.placed and (there == 1).all()
    assert pending.place(0, odd) is odd
    assert pending.place(0, first.astype(np.int16)).dtype == np.int16
    tensor = torch.zeros(2, 4, 4, 3, dtype=torch.uint8)
    assert pending.place(1, tensor) is tensor and pending.placed.shape == (3, 2, 4, 4, 3)


def test_padding_alone_looks_for_an_element_to_copy(folder: Path) -> None:
    worker, _ = make(folder, mode="eval")
    pending = pending_of(None)
    worker.fetch(pending)
    worker.work(pending, 0)
    batch = pending.done.result(0)
    assert batch is not None and not batch.valid.any() and batch.failures == []


def test_of_several_errors_the_first_slot_speaks(folder: Path) -> None:
    def buggy(sample: Sample, rng: RngFactory) -> EncodedClip:
        raise RuntimeError(sample.origin.key)

    worker, feed = make(folder, buggy)
    elements = [element_at(feed, p) for p in range(3)]
    pending = pending_of(*elements)
    worker.fetch(pending)
    for number in (2, 0, 1):
        worker.work(pending, number)
    first = feed.reader.origin(elements[0].shard, elements[0].row)
    with pytest.raises(RuntimeError, match=first.key) as raised:
        pending.done.result(0)
    assert f"while the loader was at encode of {first} (element" in raised.value.__notes__[0]


def test_an_abandoned_batch_does_no_work_and_wakes_who_waits(folder: Path) -> None:
    def never(sample: Sample, rng: RngFactory) -> EncodedClip:
        raise AssertionError("an abandoned batch was worked on")

    worker, feed = make(folder, never)
    pending = pending_of(element_at(feed, 0))
    pending.abandon()
    worker.fetch(pending)
    worker.work(pending, 0)
    assert not pending.errors
    with pytest.raises(CancelledError):
        pending.done.result(0)


def test_a_batch_that_is_abandoned_between_slots_of_a_sample_is_left_there(folder: Path) -> None:
    encoded = []

    def last(sample: Sample, rng: RngFactory) -> EncodedClip:
        encoded.append(sample.origin)
        pending.abandon()
        return encode(sample, rng)

    worker, feed = make(folder, last)
    pending = pending_of(element_at(feed, 0), element_at(feed, 0))
    worker.fetch(pending)
    assert pending.by_sample() == [[0, 1]]
    worker.work(pending, 0, 1)
    assert len(encoded) == 1


def test_slots_of_one_sample_stand_together_and_those_without_one_alone(folder: Path) -> None:
    worker, feed = make(folder, mode="eval")
    first, second = element_at(feed, 0), element_at(feed, 1)
    pending = pending_of(first, second, None, first, None)
    worker.fetch(pending)
    assert pending.by_sample() == [[0, 3], [1], [2], [4]]
