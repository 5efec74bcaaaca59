"""Growth: going on with a cursor of a dataset that has gained shards since.

Promises: a dataset has grown when the shards that the cursor knows are the first ones of its list still, unchanged, and
others lie behind them. Its pass under way is finished over the shards that it began with, element by element as if
there were no others; from the next pass on it goes through all of them, in the order that this pass has in a run that
had them from the beginning. Streams and window that the config leaves open are those of the cursor, whatever is the
default by now. Whatever else differs is refused as ever. Gives up: shards that sort between the old ones,
and evaluations, which are of one state of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from shards.base.errors import CursorMismatch
from shards.loader.config import LoaderConfig
from shards.loader.feed import Feed, open_order
from shards.order.cursor import Cursor, combine_fingerprints, joined_streams
from shards.order.joined import Joined, Shifted


def feeds_at(saved: Cursor, opened: Sequence[Feed], own: Cursor, config: LoaderConfig) -> list[Feed]:
    """The datasets as a run goes on with them from a cursor; `own` is one of the loader as it was opened.

    Raises CursorMismatch.
    """
    known = _num_shards(saved, opened, own)
    grown = [(feed, count) for feed, count in zip(opened, known, strict=True) if count < feed.num_shards]
    then = [
        _as_saved(feed, count, saved.shape(number), config)
        for number, (feed, count) in enumerate(zip(opened, known, strict=True))
    ]
    shifts = saved.shifts or (0,) * len(opened)
    saved.check(
        replace(
            own,
            fingerprint=combine_fingerprints([feed.fingerprint for feed in then]),
            streams=joined_streams([feed.streams for feed in then]),
            window=tuple(feed.window for feed in then),
            datasets=tuple(feed.label for feed in then),
        )
    )
    if grown and (config.on_growth == "refuse" or config.mode == "eval"):
        raise CursorMismatch(_refusal(grown, config))
    return [_join(*place) for place in zip(opened, then, shifts, saved.positions, strict=True)]


def _num_shards(saved: Cursor, opened: Sequence[Feed], own: Cursor) -> Sequence[int]:
    """Number of shards of each dataset when a cursor was saved; the present number where the cursor does not fit, which
    `Cursor.check` then reports."""
    now = [feed.num_shards for feed in opened]
    if len(saved.shards) == len(now):
        return [min(max(1, count), most) for count, most in zip(saved.shards, now, strict=True)]
    if saved.fingerprint != own.fingerprint and len(saved.positions) == len(now):
        for number in range(len(now)):  # a cursor from before there were numbers; one dataset may have grown
            for count, fingerprint in enumerate(opened[number].reader.fingerprints(), start=1):
                fingerprints = [feed.fingerprint for feed in opened]
                fingerprints[number] = fingerprint
                if combine_fingerprints(fingerprints) == saved.fingerprint:
                    return [*now[:number], count, *now[number + 1 :]]
    return now


def _as_saved(feed: Feed, num_shards: int, shape: tuple[int, int] | None, config: LoaderConfig) -> Feed:
    """A dataset as it was when a cursor was saved, when it had only its first shards. Later ones count as empty, which
    changes no order. shape: the cursor's streams and window, for those that the config leaves open."""
    if num_shards == feed.num_shards and shape in (None, (feed.streams, feed.window)):
        return feed
    there = np.arange(len(feed.counts)) < num_shards
    counts = np.where(there, feed.counts, 0)
    if not counts.any():
        return feed
    order, streams, window = open_order(counts, feed.reader.index.shards.bytes, feed.config, config, shape)
    if num_shards < feed.num_shards:
        fingerprint = next(islice(feed.reader.fingerprints(), num_shards - 1, None))
        feed = replace(feed, num_shards=num_shards, fingerprint=fingerprint)
    elif (streams, window) == (feed.streams, feed.window):
        return feed
    return replace(feed, order=order, streams=streams, window=window)


def _shift(feed: Feed, shift: int) -> Feed:
    return replace(feed, order=Shifted(feed.order, shift), shift=shift) if shift else feed


def _join(feed: Feed, then: Feed, shift: int, position: int) -> Feed:
    """A dataset from a position on, and as it was then."""
    if feed.num_shards == then.num_shards:
        return _shift(then, shift)
    passes = -(-(position + shift) // then.order.num_elements)  # those that are done or under way
    join = passes * then.order.num_elements - shift
    after = _shift(feed, passes * feed.order.num_elements - join)
    before = _shift(then, shift)
    return replace(after, order=Joined(before.order, after.order, join), earlier=before, join=join)


def _refusal(grown: Sequence[tuple[Feed, int]], config: LoaderConfig) -> str:
    """grown: datasets, each with its number of shards when the cursor was saved."""
    what = "; ".join(
        f"dataset {feed.name!r} has {feed.num_shards} shards, {count} of them when the cursor was saved"
        for feed, count in grown
    )
    if config.mode == "eval":
        return f"cursor: {what}; an evaluation is of one state of the data: start it anew"
    return (
        f"cursor: {what}; set on_growth: append to finish the pass under way over the old shards and have the new "
        "ones join with the next pass; or put the old index back, or start a new run"
    )
