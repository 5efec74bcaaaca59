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
from shards.order.order import Int64, distinct
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

    columns: list[list[int]]
    """The fields of `Element` of each planned element."""
    passes: list[int]
    """The pass to draw with, of each planned element."""
    rows: list[int]
    """Its number inside its whole shard."""
    fetched: list[Fetched | SampleError | None]
    """None: taken, or known to be bad."""
    sizes: list[int]
    """Bytes that each of them holds until it is decoded."""
    groups: deque[Sequence[int]]
    """The slots that no thread has begun. Those for which one sample was fetched (questions about one video) are one
    group: one thread fills them, one after the other, and can decode an equal clip once."""

    def take(self, number: int) -> Found | None:
        """Hand out what was fetched for a slot, and keep no reference to it; None for padding."""
        if number >= len(self.fetched):
            return None
        fetched, self.fetched[number] = self.fetched[number], None
        dataset, position, pass_, shard, row = self.columns
        element = Element(dataset[number], position[number], pass_[number], shard[number], row[number])
        return Found(element, self.passes[number], self.rows[number], fetched)


def all_near(setup: Setup, plans: Sequence[Plan]) -> bool:
    """True if all bytes of these batches are on this machine."""
    dataset, shard = np.concatenate([plan.columns[[0, 3]] for plan in plans], axis=1)
    return all(setup.feeds[number].is_near(distinct(shard[dataset == number])) for number in distinct(dataset).tolist())


def fetch(setup: Setup, plans: Sequence[Plan]) -> list[Encoded]:
    """Get the encoded bytes of batches. Raises DatasetError, SourceError."""
    dataset, _, pass_, shard, row = np.concatenate([plan.columns for plan in plans], axis=1)
    passes, rows = np.empty_like(pass_), np.empty_like(row)
    fetched: list[Fetched | SampleError | None] = [None] * len(dataset)
    for number in distinct(dataset).tolist():
        here = np.flatnonzero(dataset == number)
        passes[here], rows[here], came = _fetch_of(setup, number, pass_[here], shard[here], row[here])
        for at, one in zip(here.tolist(), came, strict=True):
            fetched[at] = one
    encoded, start = [], 0
    for plan in plans:
        own = slice(start, start + plan.columns.shape[1])
        start = own.stop
        sizes = [*map(_num_bytes, fetched[own]), *[0] * plan.num_padding]
        columns = plan.columns.tolist()
        groups = _group(columns, fetched[own], plan.num_padding)
        encoded.append(Encoded(columns, passes[own].tolist(), rows[own].tolist(), fetched[own], sizes, groups))
    return encoded


def fetch_alone(setup: Setup, element: Element, attempt: int = 0) -> Found:
    """Get a single element, or its substitute number `attempt`. Raises DatasetError, SourceError."""
    if attempt:
        at = setup.feeds[element.dataset].order.at([element.position], attempt)
        element = element._replace(shard=int(at.shard[0]), row=int(at.row[0]))
    pass_, shard, row = np.array(element[2:]).reshape(3, 1)
    passes, rows, (fetched,) = _fetch_of(setup, element.dataset, pass_, shard, row)
    return Found(element, int(passes[0]), int(rows[0]), fetched)


def _fetch_of(
    setup: Setup, dataset: int, pass_: Int64, shard: Int64, row: Int64
) -> tuple[Int64, Int64, list[Fetched | SampleError | None]]:
    """(passes to draw with, rows inside the whole shards, what was fetched) of planned elements of one dataset."""
    feed = setup.feeds[dataset]
    passes, rows = feed.unrepeat(pass_, shard, row)
    due = np.arange(len(rows))
    if setup.ledger.knows_any:
        names, inside = feed.reader.index.shards.names, zip(shard.tolist(), rows.tolist(), strict=True)
        due = np.flatnonzero([setup.ledger.known(feed.name, names[one], at) is None for one, at in inside])
    try:
        with setup.stats.time("read", len(due)):
            came = feed.reader.fetch(shard[due], rows[due])
    except Exception as error:
        error.add_note(f"while the loader was at read of {len(due)} elements of {feed.name}")
        raise
    fetched: list[Fetched | SampleError | None] = [None] * len(rows)
    for at, one in zip(due.tolist(), came, strict=True):
        fetched[at] = one
    return passes, rows, fetched


def _group(
    columns: list[list[int]], fetched: Sequence[Fetched | SampleError | None], num_padding: int
) -> deque[Sequence[int]]:
    samples: list[object] = [
        number if one is None or isinstance(one, SampleError) else (dataset, shard, one.sample)
        for number, (dataset, shard, one) in enumerate(zip(columns[0], columns[3], fetched, strict=True))
    ]  # a slot without a sample is alone
    samples += range(len(samples), len(samples) + num_padding)
    if len(set(samples)) == len(samples):
        return deque(zip(range(len(samples))))
    groups: dict[object, list[int]] = {}
    for number, sample in enumerate(samples):
        groups.setdefault(sample, []).append(number)
    return deque(groups.values())


def _num_bytes(fetched: Fetched | SampleError | None) -> int:
    if fetched is None or isinstance(fetched, SampleError):
        return 0
    _, _, media, json, txt = fetched
    held = media.held if isinstance(media, PartialMedium | MappedFrames) else len(media)
    return held + (0 if json is None else len(json)) + (0 if txt is None else len(txt))
