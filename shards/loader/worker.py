"""The worker: what the threads of a loader run: fetch a planned batch, make each element a slot, slots a batch.

Promises: a slot is a function of (seed, element) alone. Bad data (SampleError, MediaError) becomes a failure and, in
training, the first good one of eight substitutes takes the slot; any other exception reaches whoever waits for the
batch, with a note of the origin. It knows no loader, so that a dropped loader is collected while threads still work.
The slots of a batch for which one sample was fetched (questions about one video) are one thread's, one after the other:
as long as their clips are equal, they are decoded once. Nothing of it is kept for the next batch.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import MediaError
from shards.decode.decoder import Decoder, Frames
from shards.loader.config import LoaderConfig
from shards.loader.feed import Feed
from shards.loader.quarantine import Failure, Ledger
from shards.loader.stages.batch import PADDING, Batch, Slot
from shards.loader.stages.collate import collate
from shards.loader.stats import Stats
from shards.media.clip import EncodedClip
from shards.media.clip_plan import ClipPlan
from shards.media.mapped import MappedFrames
from shards.media.partial import PartialMedium
from shards.order.order import MAX_SUBSTITUTES
from shards.order.plan import Element, Plan
from shards.order.random_numbers import rng
from shards.read.sample import Origin, Sample, SampleError

if TYPE_CHECKING:
    from shards.read.reader import Fetched

RngFactory = Callable[[str], np.random.Generator]
"""purpose -> the generator of this element, pass and attempt for that purpose."""
Encode = Callable[[Sample, RngFactory], EncodedClip]
"""What a task makes of a sample; raises SampleError or MediaError for bad data."""

_MAX_FILLER_TRIES = 4096
_NO_RECORD = -1  # the record's place in the address of the draw that chooses the record


@dataclass(slots=True)
class Pending:
    """A batch in the making: fetched whole by one thread, its slots filled by several, the last of them collates."""

    plan: Plan
    slots: list[Slot | None] = field(init=False)
    fetched: list[Fetched | SampleError | None] | None = None
    """The encoded bytes of each element until its slot is filled; None: not fetched yet."""
    errors: dict[int, BaseException] = field(default_factory=dict)
    done: Future[Batch | None] = field(default_factory=Future)
    """The batch; None when a slot and all its substitutes failed, which is told when it would be handed over."""
    abandoned: bool = False
    encoded_bytes: int = 0
    """Bytes that were fetched and are not decoded yet; before they are fetched, how many are expected."""
    num_bytes: int = 0
    """Decoded bytes that it holds."""
    placed: NDArray[np.uint8] | None = None
    """The frames of the batch, (B, T, H, W, 3), where arrays of that form are put as they come; see `place`."""
    _left: int = field(init=False)
    _start: Callable[[], None] | None = None
    _is_last: Iterator[bool] = field(default_factory=lambda: iter((False, True)))
    """Tells the consumer and the thread that fetches which of them came last. One step of an iterator is one operation
    for all threads, and no lock, which an interrupt of the consumer might leave locked."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """For the threads that decode."""
    _landed: threading.Lock = field(default_factory=threading.Lock)
    """Locked until it is done."""

    def __post_init__(self) -> None:
        self.slots = [None] * len(self.plan.elements)
        self._left = len(self.plan.elements)
        self._landed.acquire()
        self.done.add_done_callback(partial(_release, self._landed))

    def wait(self) -> Batch | None:
        """What `done` says, when it does. Not by `Future.result`, which may lose its own lock to a signal and tell of
        that instead."""
        if not self.done.done():
            self._landed.acquire()
        return self.done.result()

    @property
    def started(self) -> bool:
        """Whether it is to be decoded, as opposed to fetched only."""
        return self._start is not None

    def start_when_fetched(self, start: Callable[[], None]) -> None:
        """Call `start` once, now or from the thread that fetches; only the first call of this counts."""
        if self._start is None:
            self._start = start
            if next(self._is_last):
                start()

    def arrived(self, fetched: list[Fetched | SampleError | None]) -> None:
        """Take what was fetched."""
        self.encoded_bytes = sum(_num_bytes(one) for one in fetched)
        self.fetched = fetched
        if next(self._is_last):
            assert self._start is not None
            self._start()

    def by_sample(self) -> list[list[int]]:
        """The numbers of its slots; those together for which the same sample was fetched."""
        assert self.fetched is not None
        groups: dict[tuple[int, ...], list[int]] = {}
        for number, (element, fetched) in enumerate(zip(self.plan.elements, self.fetched, strict=True)):
            sample: tuple[int, ...] = (number,)  # one that has none is alone
            if element is not None and fetched is not None and not isinstance(fetched, SampleError):
                sample = (element.dataset, element.shard, fetched.sample)
            groups.setdefault(sample, []).append(number)
        return list(groups.values())

    def take(self, number: int) -> Fetched | SampleError | None:
        """What was fetched for a slot; this was the only reference to it."""
        assert self.fetched is not None
        fetched, self.fetched[number] = self.fetched[number], None
        return fetched

    def place(self, number: int, frames: Frames) -> Frames:
        """Put a clip where it lies in the batch, and return it there: its own memory is free for the next clip at once,
        and the kernel need not give new memory for each. A tensor, or a clip of another form than the first, stays."""
        if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8:
            return frames
        with self._lock:
            if self.placed is None:
                self.placed = np.empty((len(self.slots), *frames.shape), np.uint8)
        if self.placed.shape[1:] != frames.shape:
            return frames
        self.placed[number] = frames
        return self.placed[number]

    def finished_one(self, encoded_bytes: int, num_bytes: int) -> bool:
        """Note that a slot is done: what it no longer holds encoded, and holds decoded. True for the last one."""
        with self._lock:
            self.encoded_bytes -= encoded_bytes
            self.num_bytes += num_bytes
            self._left -= 1
            return self._left == 0

    def abandon(self) -> None:
        """Make its tasks return at once, and wake whoever waits for it."""
        self.abandoned = True
        self.done.cancel()


def _release(lock: threading.Lock, _: Future[Batch | None]) -> None:
    lock.release()


def _num_bytes(fetched: Fetched | SampleError | None) -> int:
    if fetched is None or isinstance(fetched, SampleError):
        return 0
    media = fetched.media.held if isinstance(fetched.media, PartialMedium | MappedFrames) else len(fetched.media)
    return media + len(fetched.json or b"") + len(fetched.txt or b"")


@dataclass(slots=True)
class _LastClip:
    """What was decoded last for slots that one thread fills one after the other."""

    asked: tuple[Origin, str, ClipPlan] | None = None
    """Of which sample, kind and plan; None: nothing that another slot may have."""
    frames: Frames | None = None
    failure: str = ""
    """Why there are none."""


class Worker:
    """Makes slots and batches; its methods may run in any number of threads."""

    def __init__(
        self,
        config: LoaderConfig,
        feeds: Sequence[Feed],
        encode: Encode,
        decode: Decoder,
        ledger: Ledger,
        stats: Stats,
        ending: threading.Event | None = None,
    ) -> None:
        """ending: set when nobody waits for any batch any more."""
        self._config = config
        self._training = config.mode == "train"
        self._feeds = feeds
        self._encode = encode
        self._decode = decode
        self._ledger = ledger
        self._stats = stats
        self._ending = ending or threading.Event()
        self._filler: Slot | None = None

    def fetch(self, pending: Pending) -> None:
        """Get the encoded bytes of a whole batch at once. Exceptions go to whoever waits for the batch."""
        if pending.abandoned:
            return
        try:
            pending.arrived(self._fetch(pending.plan))
        except BaseException as error:
            if pending.done.set_running_or_notify_cancel():
                pending.done.set_exception(error)

    def _fetch(self, plan: Plan) -> list[Fetched | SampleError | None]:
        fetched: list[Fetched | SampleError | None] = [None] * len(plan.elements)
        places: dict[int, list[tuple[int, int, int]]] = {}
        for number, element in enumerate(plan.elements):
            if element is None:
                continue
            feed = self._feeds[element.dataset]
            row = feed.unrepeat(element.pass_, element.shard, element.row)[1]
            known = self._ledger.knows_any and self._ledger.known(feed.reader.origin(element.shard, row), row)
            if not known:
                places.setdefault(element.dataset, []).append((number, element.shard, row))
        for dataset, wanted in places.items():
            feed = self._feeds[dataset]
            numbers, shards, rows = zip(*wanted, strict=True)
            try:
                with self._stats.time("read", len(wanted)):
                    found = feed.reader.fetch(shards, rows)
            except Exception as error:
                error.add_note(f"while the loader was at read of {len(wanted)} elements of {feed.name}")
                raise
            for number, one in zip(numbers, found, strict=True):
                fetched[number] = one
        return fetched

    def work(self, pending: Pending, *numbers: int) -> None:
        """Fill slots, equal clips of one sample from one decoding; whoever fills the last slot makes the batch.
        Exceptions go to whoever waits for the batch."""
        last = _LastClip()
        for number in numbers:
            if pending.abandoned or self._ending.is_set():
                return
            self._fill(pending, number, last)

    def _fill(self, pending: Pending, number: int, last: _LastClip) -> None:
        encoded_bytes = num_bytes = 0
        try:
            element, fetched = pending.plan.elements[number], pending.take(number)
            encoded_bytes = _num_bytes(fetched)
            slot = Slot(PADDING, None) if element is None else self.slot(element, fetched, last)
            if slot.frames is not None:
                num_bytes = int(slot.frames.nbytes)
                slot = replace(slot, frames=pending.place(number, slot.frames))
            pending.slots[number] = slot
        except BaseException as error:
            pending.errors[number] = error
        if not pending.finished_one(encoded_bytes, num_bytes) or not pending.done.set_running_or_notify_cancel():
            return
        try:
            if pending.errors:
                raise pending.errors[min(pending.errors)]
            pending.done.set_result(self._collate(pending))
        except BaseException as error:
            pending.done.set_exception(error)

    def slot(
        self, element: Element, fetched: Fetched | SampleError | None = None, last: _LastClip | None = None
    ) -> Slot:
        """Deliver an element, in training its first good substitute; frames None when nothing could be delivered.

        fetched: what `Reader.fetch` gave for it; None: it is read here. last: shared by the slots of its sample.
        """
        feed = self._feeds[element.dataset]
        failures: list[Failure] = []
        shard, row = element.shard, element.row
        for attempt in range(MAX_SUBSTITUTES + 1 if self._training else 1):
            if attempt:
                at = feed.order.at([element.position], attempt)
                shard, row, fetched = int(at.shard[0]), int(at.row[0]), None
            slot = self._attempt(feed, element.pass_, shard, row, attempt, fetched, last)
            failures.extend(slot.failures)
            if slot.frames is not None:
                break
        return replace(slot, failures=tuple(failures)) if failures else slot

    def _attempt(
        self,
        feed: Feed,
        pass_: int,
        shard: int,
        row: int,
        attempt: int,
        fetched: Fetched | SampleError | None = None,
        last: _LastClip | None = None,
    ) -> Slot:
        """Make one element a slot. Bad data becomes a slot without frames and with its failure."""
        pass_, row = feed.unrepeat(pass_, shard, row)
        if fetched is None or isinstance(fetched, SampleError):
            origin = feed.reader.origin(shard, row)
        else:
            origin = feed.reader.origin_of(shard, fetched.sample)
        known = self._ledger.known(origin, row)
        if known is not None:
            return Slot(origin, None, failures=(known,))

        def draw(purpose: str, record: int) -> np.random.Generator:
            seed = self._config.seed
            return rng(seed, feed.name, pass_, origin.shard, origin.key, record, attempt, purpose)

        stage = "read"
        meta: dict[str, Any] = {}
        try:
            if fetched is None:
                with self._stats.time("read"):
                    (fetched,) = feed.reader.fetch([shard], [row])
            if isinstance(fetched, SampleError):
                raise fetched
            with self._stats.time("encode"):
                sample = feed.reader.sample(origin, shard, fetched, partial(draw, "record", _NO_RECORD))
                stage = "encode"
                clip = self._encode(sample, lambda purpose: draw(purpose, sample.record_index))
            stage, meta = "decode", clip.meta
            frames = self._frames(sample, clip, last or _LastClip())
        except (SampleError, MediaError) as error:
            reason = error.reason if isinstance(error, SampleError) else str(error)
            # Reading a planned record draws nothing, so it fails in every pass; another plan of a video may succeed.
            lasting = stage == "read" and feed.config.elements == "record"
            failure = Failure(origin, reason, row, stage, lasting)
            self._ledger.remember(failure)
            return Slot(origin, None, meta=meta, failures=(failure,))
        except Exception as error:
            where = f"{origin} (element {row} of the shard, attempt {attempt})"
            error.add_note(f"while the loader was at {stage} of {where}")
            raise
        return Slot(origin, frames, clip.arrays, clip.meta)

    def _frames(self, sample: Sample, clip: EncodedClip, last: _LastClip) -> Frames:
        """Decode a clip, unless it is the last one again. Raises MediaError, and for the last one again the same."""
        # A task may hand on other bytes than those of the sample; what these are, the origin does not say.
        asked = (sample.origin, clip.kind, clip.plan) if clip.media is sample.media else None
        if asked is None or asked != last.asked:
            last.asked = last.frames = None  # the memory is for the next clip
            try:
                if isinstance(clip.media, PartialMedium):
                    with self._stats.time("read", 0):
                        clip.media.bring(clip.plan.frames)
                with self._stats.time("decode"):
                    last.frames = self._decode(clip.media, clip.kind, clip.plan)
            except MediaError as error:
                last.failure = str(error)
            last.asked = asked
        if last.frames is None:
            raise MediaError(last.failure)
        return last.frames

    def _collate(self, pending: Pending) -> Batch | None:
        slots = [slot for slot in pending.slots if slot is not None]
        assert len(slots) == len(pending.slots)
        lacking = any(slot.frames is None for slot in slots)
        if lacking and self._training:
            return None
        filler = self._find_filler(slots) if lacking else None
        number = pending.plan.dataset
        with self._stats.time("collate", len(slots)):
            name = None if number is None else self._feeds[number].name
            batch = collate(slots, self._config.pad_to_multiple, name, filler, pending.placed)
        # The batch has the frames; what is left serves the accounting.
        pending.slots = [Slot(slot.origin, None, failures=slot.failures) for slot in slots]
        pending.num_bytes = int(batch.frames.nbytes) + sum(array.nbytes for array in batch.arrays.values())
        return batch

    def _find_filler(self, slots: Sequence[Slot]) -> Slot:
        """Any good slot, to give failed slots and padding of an evaluation their shape; its numbers are masked."""
        found = next((slot for slot in slots if slot.frames is not None), None)
        if found is not None and isinstance(found.frames, np.ndarray):
            found = replace(found, frames=found.frames.copy())  # or it would hold its whole batch
        self._filler = found or self._filler or self._first_good()
        return self._filler

    def _first_good(self) -> Slot:
        tries = 0
        for feed in self._feeds:
            # spread over the dataset: what is bad often lies together
            count = min(feed.order.num_elements, _MAX_FILLER_TRIES)
            for number in range(count):
                at = feed.order.at([_spread(number, count) * feed.order.num_elements // count])
                slot = self._attempt(feed, 0, int(at.shard[0]), int(at.row[0]), 0)
                if slot.frames is not None:
                    return slot
                tries += 1
        names = ", ".join(feed.name for feed in self._feeds)
        raise ValueError(f"{names}: none of the first {tries} elements could be used, so a batch has no shape")


def _spread(number: int, count: int) -> int:
    """A permutation of range(count) whose beginnings lie far apart: steps of about the golden section."""
    step = max(1, round(0.618 * count))
    while math.gcd(step, count) > 1:
        step += 1
    return number * step % count
