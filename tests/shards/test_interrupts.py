"""Whatever breaks into `next`, at any line, leaves position, accounts and ledger as they were before that batch."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from traceback import walk_tb
from typing import Any

import pytest

from shards.base.errors import SourceError, TooManyFailures
from shards.loader.setup import RngFactory
from shards.loader.stages.batch import Batch
from shards.media.clip import EncodedClip
from shards.read.sample import Sample
from tests.shards.breaking_in import Lines, Run, Truth, filed, interrupted, open_loader, standing
from tests.shards.http_store import HttpStore
from tests.shards.small_dataset import encode, seen, sequence, write_dataset


@pytest.fixture(scope="module")
def cc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """19 samples in 4 shards, 38 records; two samples are no pictures."""
    return write_dataset(tmp_path_factory.mktemp("cc"), "cc", 19, broken=(3, 11))


@pytest.fixture
def store(cc: Path) -> Iterator[HttpStore]:
    store = HttpStore()
    store.hold(cc)
    with store.running():
        yield store


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """runs(folder, take, **fields) -> a run beside its truth."""
    with ExitStack() as stack:

        def make(folder: Path | str, take: str = "next", **fields: Any) -> Run:
            truth = Truth(folder, tmp_path / "truth.jsonl", **fields)
            stack.callback(truth.close)
            run = Run(truth, folder, tmp_path / "ledger.jsonl", take, **fields)
            stack.callback(run.loader.close)
            return run

        yield make


CASES = [
    ("train", "next", KeyboardInterrupt),
    pytest.param("train", "for", MemoryError, marks=pytest.mark.long),
    ("eval", "next", KeyboardInterrupt),
    ("eval", "torch", KeyboardInterrupt),
]


@pytest.mark.parametrize(("mode", "take", "error"), CASES)
def test_what_breaks_in_at_any_line_loses_no_batch(
    cc: Path, runs: Callable[..., Run], mode: str, take: str, error: type[BaseException]
) -> None:
    run = runs(cc, take, mode=mode)
    hits: set[str] = set()
    missed = 0
    for line in count(1):
        lines = Lines(line, error)
        missed = 0 if run.break_in(lines) else missed + 1
        if missed == 12:  # more than the batches of an evaluation, in which the last ones need fewer lines
            break
        hits.add(lines.hit)
        if line % 3 == 0:
            run.break_in(Lines(1 + line * 7 % 60, error))  # and once more, while it begins anew
        run.step()
    assert len(hits) > 60


@pytest.mark.long
def test_what_breaks_into_the_first_batch_of_all_loses_nothing(cc: Path) -> None:
    with open_loader(cc, prefetch_batches=0) as loader:
        expected = sequence([loader], 3)
    for line in count(1):
        lines = Lines(line)
        with open_loader(cc, prefetch_batches=0) as loader:
            state, got = loader.state_dict(), []
            try:
                with interrupted(lines):
                    got.append(seen(next(loader)))
            except KeyboardInterrupt:
                assert loader.state_dict() == state, lines.hit
            assert got + sequence([loader], 3 - len(got)) == expected, lines.hit
        if not lines.hit:
            break
    assert line > 60


@pytest.mark.long
def test_what_breaks_in_at_any_line_of_a_run_with_a_cache_loses_no_batch(
    store: HttpStore, runs: Callable[..., Run], tmp_path: Path
) -> None:
    room = {"folder": str(tmp_path / "cache"), "limit": 1 << 20}
    run = runs(store.url, cache=room, window=6)  # a part of a window goes by with every batch
    for line in count(1):
        if not run.break_in(Lines(line)):
            break
        run.step()
    assert line > 60


@pytest.mark.parametrize("take", ["next", "for"])
def test_signals_at_any_time_lose_no_batch(cc: Path, runs: Callable[..., Run], take: str) -> None:
    """Each signal comes from another thread after a number of turns that the seed says. One may be lost: Python drops
    what is raised in callbacks of its garbage collection, of which some tool may have one."""
    run = runs(cc, take, threads=2)
    turns, pause = SimpleQueue[int](), threading.Event()
    sent: list[int] = []
    draw, main = random.Random(5), threading.get_ident()

    def send() -> None:
        while (number := turns.get()) >= 0:
            for _ in range(number):
                pass
            signal.pthread_kill(main, signal.SIGINT)
            sent.append(number)

    sender = threading.Thread(target=send)
    sender.start()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    got: list[Batch | None] = []
    try:
        for number in range(400):
            frames, enough = [], len(got) + 20
            try:
                turns.put(draw.randrange(20_000))
                if take == "for":
                    for batch in run.loader:
                        got.append(batch)
                        if len(got) == enough:
                            break
                else:
                    while len(got) < enough:
                        got.append(next(run.loader))
                while len(sent) == number:
                    pause.wait(0.001)
                pause.wait(0.001)
            except KeyboardInterrupt as error:
                frames = list(walk_tb(error.__traceback__))
            while len(sent) == number:
                pause.wait(0.001)
            if take == "next" and len(frames) == 1 and run.loader.stats.snapshot().num_batches == len(got) + 1:
                got.append(None)  # it came after `next` had returned, and before the line that called it had the batch
            run.number = len(got)
            run.check(f"a signal after {len(got)} batches")
    finally:
        turns.put(-1)
        sender.join()
        signal.signal(signal.SIGINT, before)
    for batch, expected in zip(got, run.truth.batches, strict=True):
        assert batch is None or seen(batch) == expected
    for _ in range(8):  # the failures of the next one may be filed already: in the end they are filed once
        run.step()


@pytest.mark.parametrize("take", ["next", "for", "torch"])
def test_the_batch_that_a_store_did_not_give_comes_when_the_store_is_back(
    store: HttpStore, runs: Callable[..., Run], take: str
) -> None:
    run = runs(store.url, take)
    run.truth.reach(20)
    errors = 0
    for _ in range(3):
        run.step()
        store.faults.extend([403] * 1000)
        for _ in range(5):  # some were made ahead
            try:
                run.step()
            except SourceError:
                errors += 1
                run.check("the store is away")
        store.faults.clear()
    run.step()
    assert run.number >= 4 and errors >= 3


def test_a_run_with_too_many_failures_stands_before_the_batch_and_its_accounts_agree(cc: Path, tmp_path: Path) -> None:
    with open_loader(cc, tmp_path / "ledger", max_failures=3) as loader:
        with pytest.raises(TooManyFailures) as first:
            while True:
                before = standing(loader, tmp_path / "ledger")
                next(loader)
        lines = filed(tmp_path / "ledger")
        for _ in range(2):
            assert standing(loader, tmp_path / "ledger") == before
            with pytest.raises(TooManyFailures) as again:
                next(loader)
        assert str(again.value) == str(first.value) and filed(tmp_path / "ledger") == lines
    failed = before[1].failed_attempts
    assert failed <= 3 < len(lines.splitlines())


def test_an_iterator_goes_on_after_an_exception(cc: Path) -> None:
    armed = True

    def buggy(sample: Sample, rng: RngFactory) -> EncodedClip:
        if armed:
            raise KeyError("mine")
        return encode(sample, rng)

    with open_loader(cc) as loader:
        expected = sequence([loader], 3)
    with open_loader(cc, task=buggy) as loader:
        batches = iter(loader)
        for _ in range(3):
            with pytest.raises(KeyError, match="mine"):
                next(batches)
        armed = False
        assert [seen(next(batches)) for _ in range(3)] == expected
