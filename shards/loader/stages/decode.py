"""Decode, the second stage: a planned element and its bytes -> a slot, by the task's `encode` and the decoder.

Promises: a slot is a function of (seed, element) alone. Bad data (SampleError, MediaError) becomes a failure and, in
training, the first good one of eight substitutes takes the slot; any other exception is raised with a note of the
origin. As long as the slots of one sample ask for equal clips, one after the other, they are decoded once. A clip that
was given up for its time (watch.py) is a failure like bad data, also where it is planned again, without another try.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from shards.base.errors import DeviceFailed, MediaError, MissingFacts
from shards.dataset.index.index import Index
from shards.decode.decoder import Frames
from shards.loader.feed import Feed
from shards.loader.quarantine import Failure
from shards.loader.setup import Setup
from shards.loader.stages.batch import Slot
from shards.loader.stages.fetch import fetch_alone
from shards.loader.stages.turn import LastClip, Turn
from shards.loader.stages.watch import end
from shards.media.clip import EncodedClip
from shards.media.partial import PartialMedium
from shards.order.order import MAX_SUBSTITUTES
from shards.order.random_numbers import rng
from shards.read.sample import Sample, SampleError

if TYPE_CHECKING:
    from shards.read.fetched import Fetched

_NO_RECORD = -1  # the record's place in the address of the draw that chooses the record


class _TooSlow(MediaError):
    """A clip whose decoding was given up for its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"decoding took longer than {seconds:g} s")


def decode(setup: Setup, turn: Turn) -> Slot:
    """Deliver the element in hand, in training its first good substitute; frames None when none of them could be
    decoded."""
    found = turn.found
    assert found is not None
    element = found.element
    feed = setup.feeds[element.dataset]
    turn.attempt = 0
    slot = _attempt(setup, feed, found.pass_, element.shard, found.row, turn, found.fetched)
    if slot.frames is not None or not setup.training:
        return slot
    failures = [*slot.failures]
    for attempt in range(1, MAX_SUBSTITUTES + 1):
        found = fetch_alone(setup, element, attempt)
        turn.attempt = attempt
        slot = _attempt(setup, feed, found.pass_, found.element.shard, found.row, turn, found.fetched)
        failures.extend(slot.failures)
        if slot.frames is not None:
            break
    slot.failures = tuple(failures)
    return slot


def _attempt(
    setup: Setup,
    feed: Feed,
    pass_: int,
    shard: int,
    row: int,
    turn: Turn,
    fetched: Fetched | SampleError | None,
) -> Slot:
    """Make one element a slot. Bad data becomes a slot without frames and with its failure.

    row: inside the whole shard. fetched: None for an element that is known to be bad.
    """
    if fetched is None or isinstance(fetched, SampleError):
        origin = feed.reader.origin(shard, row)
    else:
        origin = feed.reader.origin_of(shard, fetched.sample)
    if setup.ledger.knows_any:
        known = setup.ledger.known(origin.dataset, origin.shard, row)
        if known is not None:
            return Slot(origin, None, failures=(known,))
    assert fetched is not None
    attempt = turn.attempt

    def draw(purpose: str, record: int) -> np.random.Generator:
        return rng(setup.config.seed, feed.name, pass_, origin.shard, origin.key, record, attempt, purpose)

    stage = "read"
    meta: dict[str, Any] = {}
    try:
        if isinstance(fetched, SampleError):
            raise fetched
        start = time.perf_counter_ns()
        try:
            sample = feed.reader.sample(origin, shard, fetched, partial(draw, "record", _NO_RECORD))
            stage = "encode"
            clip = setup.encode(sample, lambda purpose: draw(purpose, sample.record_index))
        finally:
            setup.stats.note("encode", start)
        stage, meta = "decode", clip.meta
        frames = _decode_clip(setup, sample, clip, turn)
    except (SampleError, MediaError) as error:
        reason = error.reason if isinstance(error, SampleError) else str(error)
        # Reading a planned record draws nothing, so it fails in every pass; another plan of a video may succeed.
        lasting = stage == "read" and feed.config.elements == "record"
        failure = Failure(origin, reason, row, stage, lasting, isinstance(error, _TooSlow))
        setup.ledger.remember(failure)
        return Slot(origin, None, meta=meta, failures=(failure,))
    except MissingFacts as error:
        index = feed.reader.index
        if not isinstance(index, Index):
            raise
        from shards.dataset.indexing.missing_facts import index_command  # loads what reads tars and probes media

        raise MissingFacts(index_command(index)) from error
    except DeviceFailed as error:
        raise DeviceFailed(f"{origin}: {error}") from error
    except Exception as error:
        where = f"{origin} (element {row} of the shard, attempt {attempt})"
        error.add_note(f"while the loader was at {stage} of {where}")
        raise
    return Slot(origin, frames, clip.arrays, clip.meta)


def _decode_clip(setup: Setup, sample: Sample, clip: EncodedClip, turn: Turn) -> Frames:
    """Decode a clip unless it equals the last one. Raises MediaError, for a clip that equals the last one the same."""
    if setup.given_up and turn.address in setup.given_up:
        raise _TooSlow(setup.given_up[turn.address])
    # Whatever substitutes stand in for a slot, the next one may want the planned clip.
    last = LastClip() if turn.attempt else turn.last
    # A task may hand on other bytes than those of the sample, which the origin does not tell apart.
    key = (sample.origin, clip.kind, clip.plan) if clip.media is sample.media else None
    if key is None or key != last.key:
        last.key = last.frames = last.given_up = None  # frees the memory of the last clip for this one
        try:
            if isinstance(clip.media, PartialMedium):
                with setup.stats.time("read", 0):
                    clip.media.bring(clip.plan.frames)
            turn.key, turn.origin, turn.media = key, sample.origin, clip.media
            running = turn.running = [True]
            start = time.perf_counter_ns()
            try:
                frames = setup.backend.decode(clip.media, clip.kind, clip.plan)
            finally:
                end(running)  # before anything is kept: it may have been given up
                setup.stats.note("decode", start)
            last.frames = frames
        except MediaError as error:
            last.failure = str(error)
        last.key = key
    if last.frames is None:
        if last.given_up is not None:
            setup.given_up[turn.address] = last.given_up
            setup.stats.count_given_up()
            raise _TooSlow(last.given_up)
        raise MediaError(last.failure)
    return last.frames
