"""Fetch, the first stage: plans -> the encoded bytes of their elements, asked of each dataset all at once.

Promises: what is wrong in the data of one sample stands in its place; whatever else fails is raised with a note of the
dataset. An element that this process knows to be bad is not fetched again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shards.loader.setup import Setup
from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium
from shards.order.plan import Element, Plan
from shards.read.sample import SampleError

if TYPE_CHECKING:
    from shards.read.fetched import Fetched


class Found(NamedTuple):
    """What was fetched for a planned element."""

    element: Element
    pass_: int
    """The pass to draw with."""
    row: int
    """Number of the element inside its whole shard."""
    fetched: Fetched | SampleError | None
    """None: this process knows it to be bad."""


class Encoded(NamedTuple):
    """The fetched elements of one batch, by the number of their slot; decoding threads take them out."""

    elements: list[Found | None]
    """None: padding, or taken."""
    sizes: list[int]
    """Bytes that each of them holds until it is decoded."""
    groups: deque[Sequence[int]]
    """The slots that no thread has begun. Those for which one sample was fetched (questions about one video) are one
    group: one thread fills them, one after the other, and can decode an equal clip once."""

    def take(self, number: int) -> Found | None:
        """Hand out what was fetched for a slot, and keep no reference to it."""
        found, self.elements[number] = self.elements[number], None
        return found


def fetch(setup: Setup, plans: Sequence[Plan]) -> list[Encoded]:
    """Get the encoded bytes of batches. Raises DatasetError, SourceError."""
    planned = [element for plan in plans for element in plan.elements]
    found: list[Found | None] = [None] * len(planned)
    for dataset in dict.fromkeys(element.dataset for element in planned if element is not None):
        numbered = [(n, one) for n, one in enumerate(planned) if one is not None and one.dataset == dataset]
        numbers, elements = zip(*numbered, strict=True)
        for number, fetched in zip(numbers, _fetch_of(setup, dataset, elements), strict=True):
            found[number] = fetched
    encoded, start = [], 0
    for plan in plans:
        own = found[start : start + len(plan.elements)]
        start += len(own)
        encoded.append(Encoded(own, [*map(_num_bytes, own)], _group(own)))
    return encoded


def fetch_alone(setup: Setup, element: Element, attempt: int = 0) -> Found:
    """Get a single element, or its substitute number `attempt`. Raises DatasetError, SourceError."""
    if attempt:
        at = setup.feeds[element.dataset].order.at([element.position], attempt)
        element = element._replace(shard=int(at.shard[0]), row=int(at.row[0]))
    return _fetch_of(setup, element.dataset, [element])[0]


def _fetch_of(setup: Setup, dataset: int, elements: Sequence[Element]) -> list[Found]:
    """Fetch planned elements of one dataset."""
    feed = setup.feeds[dataset]
    pass_, shard, row = (np.array(column) for column in list(zip(*elements, strict=True))[2:])
    pass_, row = feed.unrepeat(pass_, shard, row)
    passes, rows = pass_.tolist(), row.tolist()
    due: Sequence[int] = range(len(rows))
    if setup.ledger.knows_any:
        names = feed.reader.index.shards.names
        due = [n for n in due if setup.ledger.known(feed.name, names[elements[n].shard], rows[n]) is None]
        shard, row = shard[due], row[due]
    try:
        with setup.stats.time("read", len(due)):
            came = feed.reader.fetch(shard, row)
    except Exception as error:
        error.add_note(f"while the loader was at read of {len(due)} elements of {feed.name}")
        raise
    if len(due) == len(rows):
        return list(map(Found, elements, passes, rows, came))
    fetched = dict(zip(due, came, strict=True))
    return [Found(elements[n], passes[n], rows[n], fetched.get(n)) for n in range(len(rows))]


def _group(found: Sequence[Found | None]) -> deque[Sequence[int]]:
    samples = [
        number  # a slot without a sample is alone
        if one is None or one.fetched is None or isinstance(one.fetched, SampleError)
        else (one.element.dataset, one.element.shard, one.fetched.sample)
        for number, one in enumerate(found)
    ]
    if len(set(samples)) == len(samples):
        return deque(zip(range(len(samples))))
    groups: dict[object, list[int]] = {}
    for number, sample in enumerate(samples):
        groups.setdefault(sample, []).append(number)
    return deque(groups.values())


def _num_bytes(found: Found | None) -> int:
    if found is None or found.fetched is None or isinstance(found.fetched, SampleError):
        return 0
    _, _, media, json, txt = found.fetched
    held = media.held if isinstance(media, PartialMedium | MappedFrames) else len(media)
    return held + (0 if json is None else len(json)) + (0 if txt is None else len(txt))
