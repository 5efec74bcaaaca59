"""Underway: a batch on its way through the stages, with what each of them has made of it so far."""

from __future__ import annotations

from collections.abc import Iterator

from shards.loader.stages.batch import Batch, Unfilled
from shards.loader.stages.fetch import Encoded
from shards.loader.stages.pool import Answer
from shards.loader.stages.slots import Slots
from shards.order.plan import Plan


class Underway:
    """A batch on its way through the stages."""

    def __init__(self, plan: Plan, expected_bytes: int) -> None:
        self.plan = plan
        self.encoded: Encoded | None = None
        """None: not fetched yet."""
        self.slots = Slots(len(plan))
        self.answer: Answer[Batch | Unfilled] = Answer()
        self.wanted = False
        """True if it may be decoded, False if only fetched. Only the consumer's thread uses it."""
        self.abandoned = False
        self._expected_bytes = expected_bytes
        self._batch_bytes: int | None = None
        self._is_second: Iterator[bool] = iter((False, True))

    def is_ready(self) -> bool:
        """Called once when it is fetched and once when it is wanted, by two threads; True for the second call: now it
        may be decoded. One step of an iterator is one operation for all threads, and takes no lock."""
        return next(self._is_second)

    def made(self, batch: Batch | Unfilled) -> None:
        """It went through all stages: answer, and let go of what it was made from."""
        if isinstance(batch, Batch):
            self._batch_bytes = int(batch.frames.nbytes) + sum(array.nbytes for array in batch.arrays.values())
            self.slots.clear()
        self.answer.give(batch)

    @property
    def encoded_bytes(self) -> int:
        """Bytes that are fetched and not decoded yet; before they are fetched, as many as are expected."""
        return self._expected_bytes if self.encoded is None else sum(self.encoded.sizes)

    @property
    def decoded_bytes(self) -> int:
        return self.slots.num_bytes if self._batch_bytes is None else self._batch_bytes
