"""Fetch, the first stage: plans -> where their elements lie -> their encoded bytes, of each dataset all at once.

Promises: what is wrong in the data of one sample stands in its place; whatever else fails is raised with a note of the
dataset. An element that this process knows to be bad is not fetched again. The elements of a batch come with the order
in which they are best decoded: those that the index says are dearest first, so that none of them is begun last and
keeps the batch waiting when the other threads are done.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.loader.feed import Feed
from shards.loader.setup import Setup
from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium
from shards.order.order import Int64, distinct
from shards.order.plan import Element, Plan, RunPosition
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
    """The slots that no thread has begun, the dearest to decode first. Those for which one sample was fetched
    (questions about one video) are one group: one thread fills them, one after the other, and can decode an equal clip
    once."""

    def take(self, number: int) -> Found | None:
        """Hand out what was fetched for a slot, and keep no reference to it; None for padding."""
        if number >= len(self.fetched):
            return None
        fetched, self.fetched[number] = self.fetched[number], None
        dataset, position, pass_, shard, row = self.columns
        element = Element(dataset[number], position[number], pass_[number], shard[number], row[number])
        return Found(element, self.passes[number], self.rows[number], fetched)


class Sought(NamedTuple):
    """Where the bytes of the elements of some batches lie."""

    plans: Sequence[Plan]
    passes: Int64
    """The pass to draw with, of each planned element of the batches."""
    rows: Int64
    """Its number inside its whole shard."""
    found: list[tuple[int, Int64, Any]]
    """(dataset, numbers of the elements that are to be fetched, what its reader has found of them)."""
    costs: NDArray[np.float64] | None
    """What decoding each of the planned elements is expected to cost; None where nothing is known."""
    is_near: bool
    """True if all of them are on this machine."""
    took: int
    """Nanoseconds; they count as part of the read."""

    def alone(self, number: int) -> Sought:
        """What this is of a single batch."""
        start = sum(plan.columns.shape[1] for plan in self.plans[:number])
        stop = start + self.plans[number].columns.shape[1]
        found = []
        for dataset, numbers, where in self.found:
            first, last = np.searchsorted(numbers, (start, stop)).tolist()
            if first < last:
                found.append((dataset, numbers[first:last] - start, where.part(first, last)))
        return Sought(
            [self.plans[number]],
            self.passes[start:stop],
            self.rows[start:stop],
            found,
            None if self.costs is None else self.costs[start:stop],
            self.is_near,
            0 if number else self.took,
        )


def seek(setup: Setup, plans: Sequence[Plan]) -> Sought:
    """Look up where the elements of batches lie, many at once. Raises DatasetError, SourceError."""
    began = time.perf_counter_ns()
    dataset, _, pass_, shard, row = np.concatenate([plan.columns for plan in plans], axis=1)
    passes, rows = np.empty_like(pass_), np.empty_like(row)
    found, is_near = [], True
    costs: NDArray[np.float64] | None = None
    for number in distinct(dataset).tolist():
        here = np.flatnonzero(dataset == number)
        feed, shards = setup.feeds[number], shard[here]
        passes[here], rows[here] = feed.unrepeat(pass_[here], shards, row[here])
        is_near = is_near and feed.is_near(distinct(shards))
        if setup.ledger.knows_any:
            names, addresses = feed.reader.index.shards.names, zip(shards.tolist(), rows[here].tolist(), strict=True)
            due = np.flatnonzero([setup.ledger.known(feed.name, names[one], at) is None for one, at in addresses])
            here, shards = here[due], shards[due]
        with _naming(feed, len(here)):
            where = feed.reader.find(shards, rows[here])
            expected = feed.reader.costs(where)
        found.append((number, here, where))
        if expected is not None:
            costs = np.zeros(len(rows)) if costs is None else costs
            costs[here] = expected
    return Sought(plans, passes, rows, found, costs, is_near, time.perf_counter_ns() - began)


def fetch(setup: Setup, sought: Sought) -> list[Encoded]:
    """Get the encoded bytes of batches. Raises DatasetError, SourceError."""
    passes, rows, took = sought.passes.tolist(), sought.rows.tolist(), sought.took
    fetched: list[Fetched | SampleError | None] = [None] * len(rows)
    for number, here, found in sought.found:
        feed, began = setup.feeds[number], time.perf_counter_ns()
        try:
            with _naming(feed, len(here)):
                came = feed.reader.take(found)
        finally:
            setup.stats.note("read", began - took, len(here))
            took = 0
        for at, one in zip(here.tolist(), came, strict=True):
            fetched[at] = one
    encoded, start = [], 0
    for plan in sought.plans:
        own = slice(start, start + plan.columns.shape[1])
        start = own.stop
        sizes = [*map(_num_bytes, fetched[own]), *[0] * plan.num_padding]
        columns = plan.columns.tolist()
        groups = _group(columns, fetched[own], plan.num_padding)
        if sought.costs is not None:
            groups = _dearest_first(groups, sought.costs[own])
        encoded.append(Encoded(columns, passes[own], rows[own], fetched[own], sizes, groups))
    return encoded


def fetch_alone(setup: Setup, element: Element, attempt: int = 0) -> Found:
    """Get a single element, or its substitute number `attempt`. Raises DatasetError, SourceError."""
    if attempt:
        at = setup.feeds[element.dataset].order.at([element.position], attempt)
        element = element._replace(shard=int(at.shard[0]), row=int(at.row[0]))
    plan = Plan(np.array(element).reshape(-1, 1), 0, element.dataset, RunPosition(0, ()))
    (encoded,) = fetch(setup, seek(setup, [plan]))
    return Found(element, encoded.passes[0], encoded.rows[0], encoded.fetched[0])


@contextmanager
def _naming(feed: Feed, count: int) -> Iterator[None]:
    """Note at an error what the loader was at."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while the loader was at read of {count} elements of {feed.name}")
        raise


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


def _dearest_first(groups: deque[Sequence[int]], costs: NDArray[np.float64]) -> deque[Sequence[int]]:
    """The groups in falling order of cost, equal ones as they are; padding, which has none, last. A group costs what
    its first slot does: the others mostly ask for the same clip. costs: of each slot that is not padding."""
    costs = np.append(costs, 0.0)
    falling = np.argsort(-costs[[min(group[0], len(costs) - 1) for group in groups]], kind="stable")
    return deque(groups[at] for at in falling.tolist())


def _num_bytes(fetched: Fetched | SampleError | None) -> int:
    if fetched is None or isinstance(fetched, SampleError):
        return 0
    _, _, media, json, txt = fetched
    held = media.held if isinstance(media, PartialMedium | MappedFrames) else len(media)
    return held + (0 if json is None else len(json)) + (0 if txt is None else len(txt))
