"""The pipeline of a loader, from a place in the run to batches. Each stage takes what the one before it made:

    stage     makes of its input                          runs in                      begun ahead of the consumer
    plan      a place -> Plan (shards/order/plan.py)      the consumer's thread        with the fetch
    fetch     Plan -> Encoded (fetch.py)                  fetching threads, a batch    prefetch + fetch batches, while
                                                          each, or several small ones  fetch_bytes have room for them
    decode    Encoded -> Slots (decode.py, slots.py)      decoding threads, a sample   prefetch batches
                                                          each, the dearest first
    collate   Slots -> Batch or Unfilled (collate.py)     the thread that filled the   with the last slot
                                                          last slot

The queues between them are those of the thread pools (pool.py). They are bounded by the consumer, who alone begins
batches: it plans ahead as many as there is room for, and says which of them may be decoded. A batch goes on to the
decoding threads as soon as it is both fetched and wanted, so one that a store brings late keeps no other from decoding.

Exceptions of a stage, with the notes of their origin, come out where the batch is waited for: of several slots that of
the first one. A batch that is given up is left by its stages before their next step. The consumer's thread takes no
lock, so a signal that interrupts it leaves nothing locked; whatever it leaves half done is given up by `begin`. Where a
clip takes too long, the watch (watch.py) has another thread go on with the turn (turn.py) of the one that hangs.
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError
from itertools import islice

from shards.loader.lookahead import LookAhead
from shards.loader.setup import Setup
from shards.loader.stages.batch import PADDING, Batch, Slot, Unfilled
from shards.loader.stages.collate import collate
from shards.loader.stages.decode import decode
from shards.loader.stages.fetch import Sought, fetch, seek
from shards.loader.stages.filler import Filler
from shards.loader.stages.pool import Replaced
from shards.loader.stages.pools import Pools
from shards.loader.stages.slots import Slots
from shards.loader.stages.turn import LastClip, Turn
from shards.loader.stages.underway import Underway
from shards.order.plan import Plan, RunPosition

_FURTHER = 2
"""Batches that are fetched ahead at least, where the config does not say."""
_ELEMENTS_AT_ONCE, _BYTES_AT_ONCE = 1024, 4 << 20
"""What is planned and fetched at once where batches are smaller: it costs a third of what single batches cost."""
_WORTH_SHARING_S = 0.00025
"""Seconds of a slot from which on several threads decode: what is quicker is mostly Python, and two threads would only
hand the interpreter lock to and fro, for an eighth more CPU time."""
_SWITCH_INTERVAL_S = 0.0005
"""Seconds for which a thread keeps the interpreter lock when another one asks for it, in the whole process, once slots
are worth sharing. At Python's 0.005 a thread that comes back from a decoder or from a short operation of torch waits
ten times as long for one that works in Python: pictures went 1.75 instead of 1.9 times as fast on two cores as on one,
a step of the demo's pre-training took 8 % longer. Where nothing is decoded it costs: with the threads of an object
store beside them, samples of 20 KB took 1.15 times as long."""


class _Stages:
    """The stages as the threads run them. They know no pipeline: it is dropped while threads still work."""

    def __init__(self, setup: Setup, pools: Pools, underway: deque[Underway]) -> None:
        self._setup, self._fetching, self._decoding = setup, pools.fetching, pools.decoding
        self._alone, self._underway = pools.alone, underway
        self._filler = Filler(setup)
        self._seconds_per_slot = math.inf
        """What a slot of the last batch took a thread."""

    def fetch(self, batches: Sequence[Underway]) -> None:
        wanted = [batch for batch in batches if not batch.abandoned]
        if not wanted:
            return
        try:
            sought = seek(self._setup, [batch.plan for batch in wanted])
        except BaseException as error:
            self._failed(wanted, error)
            return
        if sought.is_near or len(wanted) == 1:
            self._read(wanted, sought)
            return
        for number, batch in enumerate(wanted):  # so that none waits for the bytes of later ones
            self._fetching.submit(self._read, [batch], sought.alone(number))

    def _read(self, batches: Sequence[Underway], sought: Sought) -> None:
        if all(batch.abandoned for batch in batches):
            return
        try:
            found = fetch(self._setup, sought)
        except BaseException as error:
            self._failed(batches, error)
            return
        for batch, encoded in zip(batches, found, strict=True):
            batch.encoded = encoded
            self.go_on(batch)

    def _failed(self, batches: Sequence[Underway], error: BaseException) -> None:
        """An error has to come out with the batch that it belongs to: of several each is fetched alone."""
        if len(batches) == 1:
            batches[0].answer.fail(error)
            return
        for batch in batches:
            self.fetch([batch])

    def go_on(self, batch: Underway) -> None:
        """Let the decoding threads take a batch that is both fetched and wanted."""
        if batch.is_ready():
            assert batch.encoded is not None
            if self._seconds_per_slot > _WORTH_SHARING_S:
                for _ in range(min(self._setup.num_threads, len(batch.encoded.groups))):
                    self._decoding.submit(self.decode, batch)
            else:
                self._alone.submit(self.decode, batch)

    def decode(self, batch: Underway, turn: Turn | None = None) -> None:
        """Fill slots until other threads have begun all that are left. turn: that of a thread that hangs, to go on
        with."""
        with self._setup.watch.over(turn or Turn(self, batch)) as turn:
            self._fill(turn, batch)

    def _fill(self, turn: Turn, batch: Underway) -> None:
        encoded, slots = batch.encoded, batch.slots
        assert encoded is not None
        start, count = time.perf_counter(), 0
        if turn.numbers and turn.number is None:  # it hung when all slots were filled
            self._collate(turn)
        numbers = turn.rest
        while numbers or encoded.groups:
            if not numbers:
                try:
                    numbers = encoded.groups.popleft()
                except IndexError:  # another thread was faster
                    return
                turn.numbers, turn.last = numbers, LastClip()
            for number in numbers:
                if batch.abandoned or self._decoding.stopped:
                    return
                turn.number, turn.found = number, encoded.take(number)
                slot = self._make_slot(turn, slots, number)
                encoded.sizes[number] = 0
                count += 1
                if slots.fill(number, slot):
                    self._seconds_per_slot = (time.perf_counter() - start) / count
                    if self._seconds_per_slot > _WORTH_SHARING_S:
                        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL_S))
                    turn.number = None
                    self._collate(turn)
            numbers = ()

    def hand_over(self, turn: Turn, seconds: float) -> None:
        encoded = turn.batch.encoded
        assert encoded is not None and turn.found is not None
        if not turn.batch.abandoned:
            self._setup.given_up[turn.address] = seconds
            if turn.attempt == 0:  # further slots may want the same clip
                turn.last.key, turn.last.given_up = turn.key, seconds
            if turn.number is not None:
                encoded.fetched[turn.number] = turn.found.fetched  # to be taken again
        for pool in (self._decoding, self._alone):
            pool.replace(turn.thread, self.decode, turn.batch, turn)

    def stop(self, error: Exception) -> None:
        for batch in self._underway.copy():
            batch.abandoned = True
            batch.answer.fail(error)

    def _make_slot(self, turn: Turn, slots: Slots, number: int) -> Slot | BaseException:
        try:
            return Slot(PADDING, None) if turn.found is None else slots.place(number, decode(self._setup, turn))
        except Replaced:
            raise
        except BaseException as error:
            return error

    def _collate(self, turn: Turn) -> None:
        batch = turn.batch
        if batch.abandoned:
            return
        try:
            batch.made(self._make_batch(batch.plan, batch.slots, turn))
        except Replaced:
            raise
        except BaseException as error:
            batch.answer.fail(error)

    def _make_batch(self, plan: Plan, made: Slots, turn: Turn) -> Batch | Unfilled:
        slots, setup = made.all(), self._setup
        lacking = [slot for slot in slots if slot.frames is None]
        if lacking and setup.training:
            return Unfilled([failure for slot in slots for failure in slot.failures], lacking[0].failures)
        filler = self._filler.find(slots, turn) if lacking else None
        name = None if plan.dataset is None else setup.feeds[plan.dataset].name
        with setup.stats.time("collate", len(slots)):
            return collate(slots, setup.config.pad_to_multiple, name, filler, made.frames)


class Pipeline:
    """The consumer's end of the stages: begins batches, hands them over in order, gives them up."""

    def __init__(self, setup: Setup, pools: Pools) -> None:
        self.setup = setup
        self._planner = setup.planner()
        cached = any(feed.reader.cache is not None for feed in setup.feeds)
        self._look_ahead = LookAhead(setup.config, setup.feeds, setup.rank, setup.world_size) if cached else None
        self._pools = pools
        self._underway: deque[Underway] = deque()
        """Batches in order, the next one to hand over first."""
        self._stages = _Stages(setup, pools, self._underway)
        self._ahead = RunPosition(0, (0,) * len(setup.feeds))
        """The place before the next batch to plan."""
        self._planned: deque[Plan] = deque()
        """Batches before that place that were not begun."""
        self._plan_at_once, self._fetch_at_once = _batches_at_once(setup)

    def begin(self, place: RunPosition) -> None:
        """Give up what is under way, and go on from a place."""
        self.abandon()
        self._planned.clear()
        self._ahead = place
        if self._look_ahead is not None:
            self._look_ahead.restart()

    def abandon(self) -> None:
        """Give up what is under way, and wake whoever waits for it."""
        for batch in self._underway:
            batch.abandoned = True
            batch.answer.fail(CancelledError("the loader went to another place, or was closed"))
        self._underway.clear()

    def start(self, place: RunPosition) -> None:
        """Begin the batch at a place, where this has come to, if it has not been begun; no other one with it: the
        first batch of all has the line to itself."""
        if self._look_ahead is not None and self._look_ahead.is_due(place):
            self._pools.telling.call(self._look_ahead.update, place)
        self._extend(1, 0)

    def take(self) -> tuple[Plan, Batch | Unfilled] | None:
        """Wait for the next batch; None behind the last one."""
        if not self._underway:
            return None
        made = self._underway[0].answer.wait()
        return self._underway.popleft().plan, made

    def extend(self) -> None:
        """Begin what is to be made and fetched ahead."""
        config = self.setup.config
        further = _FURTHER if config.fetch_batches is None else config.fetch_batches
        self._extend(config.prefetch_batches, further if config.prefetch_batches else 0)

    def queue(self) -> tuple[int, int, int]:
        """(finished batches, finished or in the making, decoded bytes that these hold)."""
        made = [batch for batch in self._underway if batch.wanted]
        return sum(batch.answer.is_there for batch in made), len(made), sum(batch.decoded_bytes for batch in made)

    def _extend(self, num_batches: int, further: int) -> None:
        """Have the next num_batches made, and the bytes of further ones fetched while there is room for them."""
        config = self.setup.config
        while len(self._underway) < num_batches + further:
            waiting = sum(batch.encoded_bytes for batch in self._underway)
            if len(self._underway) >= num_batches and waiting > config.fetch_bytes:
                break
            plans = self._next_plans(self._fetch_at_once, self._plan_at_once) if further else self._next_plans(1, 1)
            if not plans:
                break
            batches = [Underway(plan, self._expected_bytes(plan)) for plan in plans]
            self._underway.extend(batches)
            self._pools.fetching.submit(self._stages.fetch, batches)
        for batch in islice(self._underway, num_batches):
            if not batch.wanted:
                batch.wanted = True
                self._stages.go_on(batch)

    def _next_plans(self, most: int, at_once: int) -> list[Plan]:
        """The plans of the next batches, at most so many; none behind the last one. at_once: how many are made."""
        if not self._planned:
            self._planned.extend(self._planner.plans(self._ahead, at_once))
            if self._planned:
                self._ahead = self._planned[-1].after
        return [self._planned.popleft() for _ in range(min(most, len(self._planned)))]

    def _expected_bytes(self, plan: Plan) -> int:
        if plan.dataset is not None:
            return self.setup.feeds[plan.dataset].sample_bytes * len(plan)
        return sum(self.setup.feeds[dataset].sample_bytes for dataset in plan.columns[0].tolist())


def _batches_at_once(setup: Setup) -> tuple[int, int]:
    """How many batches are planned together, and how many are fetched together: a few hundred elements, and of what is
    fetched a few megabytes."""
    config = setup.config
    elements = max(1, max(config.batch_sizes) // setup.world_size)
    planned = max(1, _ELEMENTS_AT_ONCE // elements)
    if config.fetch_batches is not None:
        return planned, 1
    num_bytes = max(1, elements * max(feed.sample_bytes for feed in setup.feeds))
    return planned, max(1, min(planned, min(_BYTES_AT_ONCE, config.fetch_bytes) // num_bytes))
