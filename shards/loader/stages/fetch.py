"""Fetch, the first stage: a plan -> the encoded bytes of its elements, asked of each dataset all at once.

Promises: what is wrong in the data of one sample stands in its place; whatever else fails is raised with a note of the
dataset. An element that this process knows to be bad is not fetched again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from shards.loader.setup import Setup
from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium
from shards.order.plan import Element, Plan
from shards.read.sample import SampleError

if TYPE_CHECKING:
    from shards.read.fetched import Fetched


class Encoded(NamedTuple):
    """The fetched elements of one batch, by the number of their slot; decoding threads take them out."""

    elements: list[Fetched | SampleError | None]
    """None: padding, known to be bad, or taken."""
    sizes: list[int]
    """Bytes that each of them holds until it is decoded."""
    groups: deque[list[int]]
    """The slots that no thread has begun. Those for which one sample was fetched (questions about one video) are one
    group: one thread fills them, one after the other, and can decode an equal clip once."""

    def take(self, number: int) -> Fetched | SampleError | None:
        """Hand out what was fetched for a slot, and keep no reference to it."""
        fetched, self.elements[number] = self.elements[number], None
        return fetched


def fetch(setup: Setup, plan: Plan) -> Encoded:
    """Get the encoded bytes of a batch. Raises DatasetError, SourceError."""
    elements: list[Fetched | SampleError | None] = [None] * len(plan.elements)
    wanted: dict[int, list[tuple[int, int, int]]] = {}
    for number, element in enumerate(plan.elements):
        if element is None:
            continue
        feed = setup.feeds[element.dataset]
        row = feed.unrepeat(element.pass_, element.shard, element.row)[1]
        if setup.ledger.known(feed.name, feed.reader.index.shards.names[element.shard], row) is None:
            wanted.setdefault(element.dataset, []).append((number, element.shard, row))
    for dataset, rows_wanted in wanted.items():
        feed = setup.feeds[dataset]
        numbers, shards, rows = zip(*rows_wanted, strict=True)
        try:
            with setup.stats.time("read", len(rows)):
                found = feed.reader.fetch(shards, rows)
        except Exception as error:
            error.add_note(f"while the loader was at read of {len(rows)} elements of {feed.name}")
            raise
        for number, fetched in zip(numbers, found, strict=True):
            elements[number] = fetched
    return Encoded(elements, [_num_bytes(fetched) for fetched in elements], _group(plan.elements, elements))


def _group(planned: Sequence[Element | None], elements: Sequence[Fetched | SampleError | None]) -> deque[list[int]]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, (element, fetched) in enumerate(zip(planned, elements, strict=True)):
        sample: tuple[int, ...] = (number,)  # a slot without a sample is alone
        if element is not None and fetched is not None and not isinstance(fetched, SampleError):
            sample = (element.dataset, element.shard, fetched.sample)
        groups.setdefault(sample, []).append(number)
    return deque(groups.values())


def _num_bytes(fetched: Fetched | SampleError | None) -> int:
    if fetched is None or isinstance(fetched, SampleError):
        return 0
    media = fetched.media.held if isinstance(fetched.media, PartialMedium | MappedFrames) else len(fetched.media)
    return media + len(fetched.json or b"") + len(fetched.txt or b"")
