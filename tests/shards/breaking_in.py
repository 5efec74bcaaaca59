"""Breaking into a loader at a line of its own code, and a run beside the one that nothing breaks into."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

from torchdata.stateful_dataloader import StatefulDataLoader

import shards
from shards.loader.loader import Loader
from shards.loader.run_accounting import RunAccounting
from shards.loader.stages.batch import Batch
from shards.loader.torch_dataset import TorchDataset
from tests.shards.small_dataset import config, encode, seen

OWN_CODE = str(Path(shards.__file__).parent)


class Lines:
    """Raises at the n-th line of the project's own code that this thread comes to, and at no other. Not in finalizers:
    Python drops what they raise."""

    def __init__(self, number: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.left, self.error, self.hit = number, error, ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> Lines | None:
        if event == "call":
            is_own = frame.f_code.co_filename.startswith(OWN_CODE) and frame.f_code.co_name != "__del__"
            return self if is_own else None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                self.hit = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise self.error(self.hit)
        return self


@contextmanager
def interrupted(lines: Lines) -> Iterator[None]:
    before = sys.gettrace()
    sys.settrace(lines)
    try:
        yield
    finally:
        sys.settrace(before)


def open_loader(folder: Path | str, ledger: Path | None = None, task: Any = encode, **fields: Any) -> Loader:
    settings = {"window": 40, "streams": 1, "batch_size": 4, "threads": 1, "max_failure_rate": None}
    settings |= {"prefetch_batches": 1, "fetch_batches": 1} | fields
    return Loader(config(("cc", folder), **settings), 0, 1, task, ledger)


def filed(ledger: Path) -> bytes:
    return ledger.read_bytes() if ledger.exists() else b""


def is_looked_at(number: int) -> bool:
    """Whether the ledger is read before a batch, which takes longer than the batch."""
    return number % 8 == 0


def standing(loader: Loader, ledger: Path) -> tuple[Any, ...]:
    """Position and accounts."""
    snapshot = loader.stats.snapshot()
    assert snapshot.accounting.failed_attempts == sum(loader.quarantined().get("cc", {}).values())
    return loader.state_dict(), snapshot.accounting, snapshot.num_batches, loader.quarantined(), loader.progress()


class Truth:
    """The uninterrupted run: batch `number` and how the loader stands before it. Evaluations follow one another."""

    def __init__(self, folder: Path | str, ledger: Path, **fields: Any) -> None:
        self._loader = open_loader(folder, ledger, **fields)
        self._ledger = ledger
        self._batches = iter(self._loader)
        self.batches: list[list[tuple[str, int]] | None] = []
        """None: the end of an evaluation."""
        self.standings = [standing(self._loader, ledger)]
        self._filed: dict[int, int] = {}
        """Bytes in the ledger before a batch, looked at now and then."""

    def reach(self, number: int) -> None:
        while len(self.batches) < number:
            batch = next(self._batches, None)
            if batch is None:
                self._batches = iter(self._loader)
            self.batches.append(None if batch is None else seen(batch))
            self.standings.append(standing(self._loader, self._ledger))
            if is_looked_at(len(self.batches)):
                self._filed[len(self.batches)] = len(filed(self._ledger))

    def ledger(self, number: int) -> bytes:
        return filed(self._ledger)[: self._filed[number]]

    def close(self) -> None:
        self._loader.close()


class Run:
    """A run beside the truth: the batches that were got, one after the other, are the same ones, whatever breaks in."""

    def __init__(self, truth: Truth, folder: Path | str, ledger: Path, take: str, **fields: Any) -> None:
        self.truth, self.ledger, self.take = truth, ledger, take
        self.loader = open_loader(folder, ledger, **fields)
        self.outer = StatefulDataLoader(TorchDataset(self.loader), batch_size=None)
        self.batches = self._begin()
        self.number = 0

    def _begin(self) -> Iterator[Batch]:
        return iter(self.outer if self.take == "torch" else self.loader)

    def step(self, where: Lines | None = None) -> None:
        """Ask for a batch."""
        batch: Batch | None = None
        with interrupted(where) if where else nullcontext():
            if self.take == "next":
                batch = next(self.loader, None)
            else:
                for one in self.batches:
                    batch = one
                    break
        self.got(batch)

    def got(self, batch: Batch | None) -> None:
        if batch is None:
            self.batches = self._begin()
        self.truth.reach(self.number + 1)
        assert (None if batch is None else seen(batch)) == self.truth.batches[self.number]
        self.number += 1
        self.check("handed over")
        if is_looked_at(self.number):
            assert filed(self.ledger) == self.truth.ledger(self.number)

    def check(self, where: str) -> None:
        """It stands before the batch that was not got yet."""
        self.truth.reach(self.number)
        assert standing(self.loader, self.ledger) == self.truth.standings[self.number], where
        RunAccounting(self.loader, list).check()

    def break_in(self, lines: Lines) -> bool:
        """Whether it came to that line."""
        try:
            self.step(lines)
        except lines.error:
            assert lines.hit
            self.check(lines.hit)
        return bool(lines.hit)
