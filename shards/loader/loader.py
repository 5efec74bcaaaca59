"""The loader: one rank's batches, in an order that is a function of (seed, data) alone.

Promises: the ranks' parts of a global batch, concatenated, are the same list for every world size; `state_dict` is the
position before the next batch that was not handed over yet, and a loader that loads it goes on exactly there, with any
world size or batch size that fits; threads and look-ahead change nothing. Training never ends, and an element with bad
data is replaced by a deterministic substitute. Evaluation gives every element once, in the order of the dataset, the
last batch padded and masked; nothing is substituted. Only bad data (SampleError, MediaError) is survived: any other
exception comes out of `next` with the origin it belongs to. Whatever comes out of `next`, KeyboardInterrupt at any line
included, position and accounts are those before that batch, and the next call gives it.

It starts no process and leaves no file: whatever ends its process ends all of it. A fork may use a loader that gave
no batch yet; one in use is refused there, and so does CUDA refuse one that decodes on a GPU.

Gives up: worker processes (reading and decoding release the GIL, so threads do), and sharing bytes between ranks.

    with Loader(config, rank, world_size, encode) as loader:
        for batch in loader: ...
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from shards.base.printing import logger
from shards.decode.backends import open_backend
from shards.loader.config import LoaderConfig
from shards.loader.feed import Feed, open_feed
from shards.loader.growth import feeds_at
from shards.loader.lookahead import LookAhead
from shards.loader.quarantine import FailureBudget, Ledger, exhausted
from shards.loader.stages.batch import PADDING, Batch
from shards.loader.stages.pool import Pool
from shards.loader.stats import Accounting, HandedOver, Stats
from shards.loader.worker import Encode, Pending, RngFactory, Worker
from shards.order.blend import Blend
from shards.order.cursor import VERSION, Cursor, combine_fingerprints
from shards.order.plan import EvaluationPlanner, Place, Planner, TrainingPlanner
from shards.storage.addresses import is_remote

if TYPE_CHECKING:
    from shards.cache.downloads import Downloads

__all__ = ["Encode", "Loader", "RngFactory"]

_logger = logger(__name__)

_LOCAL_THREADS, _REMOTE_THREADS = 1, 4
"""That fetch batches: one reads from local disks as fast as several, and pyarrow keeps memory for each thread that it
worked in; a store answers late, so that several batches are asked for before the first is here."""


class _Course(NamedTuple):
    """What takes a loader from one place to the next; another one when a dataset has grown."""

    feeds: list[Feed]
    planner: Planner
    worker: Worker
    look_ahead: LookAhead | None


class Loader:
    """One rank's batches: iterate, save `state_dict()`, close. Not to be shared between threads."""

    def __init__(
        self, config: LoaderConfig, rank: int, world_size: int, encode: Encode, ledger_path: Path | None = None
    ) -> None:
        """ledger_path: a JSON-lines file of this rank's own that failures are appended to.

        Raises ValueError for an empty dataset, a batch that does not divide, or a rank that does not exist.
        """
        config.check_world_size(world_size)
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in [0, {world_size}), found {rank}")
        self.config, self.rank, self.world_size = config, rank, world_size
        self._training = config.mode == "train"
        self.downloads = _open_downloads(config)
        """What brings remote shards into the cache; None where nothing is cached."""
        self._opened: list[Feed] = []
        self.stats = Stats(partial(_traffic, self._opened, self.downloads))
        self._backend = open_backend(config.decode, self.stats.count_decoded)
        self._opened += [open_feed(dataset, config, self.downloads, self._backend.parts) for dataset in config.blend]
        self._blend = Blend([dataset.weight for dataset in config.blend], config.unit)
        self._ledger = Ledger(ledger_path, {feed.name: feed.fingerprint for feed in self._opened})
        self._budget = FailureBudget(config.max_failures, config.max_failure_rate, config.probation)
        self._encode, self._ending = encode, threading.Event()
        self._course = self._set_out(self._opened)
        self._start = self._ahead = Place(0, (0,) * len(self._opened))
        """_ahead: before the next batch to plan."""
        self.stats.handed = HandedOver(self._start)
        self._loaded: HandedOver | None = None
        """Where a state was loaded, as long as the loader stands there."""
        self._pending: deque[Pending] = deque()
        self._continued: HandedOver | None = None
        """What _pending and _ahead go on from. They hold nothing that this does not make again, so whatever breaks
        into the making of a batch leaves another one here than `stats.handed`, and the next call begins anew."""
        self._pool = Pool(config.threads, f"shards-loader-rank{rank}")
        remote = any(is_remote(feed.reader.source.url) for feed in self._opened)
        self._fetching = Pool(_REMOTE_THREADS if remote else _LOCAL_THREADS, f"shards-fetch-rank{rank}")
        self._telling = Pool(1, f"shards-ahead-rank{rank}")
        self._pools = (self._fetching, self._pool, self._telling)
        # Runs when the loader is dropped. It must not wait: the collector may run it in one of the pool's own threads.
        # At the end of the process the pool stops by itself. Nothing that it is given may lead back to the loader, as a
        # batch that failed does: its exception knows the frames that it came through.
        self._finalizer = weakref.finalize(self, _shut_down, self._pools, self.downloads, self._ending, wait=False)
        self._finalizer.atexit = False

    def _set_out(self, feeds: list[Feed]) -> _Course:
        orders, config = [feed.order for feed in feeds], self.config
        planner: Planner = (
            TrainingPlanner(orders, self._blend, config.batch_size, self.rank, self.world_size)
            if self._training
            else EvaluationPlanner(orders, config.batch_size, self.rank, self.world_size)
        )
        decode = self._backend.decode
        worker = Worker(config, feeds, self._encode, decode, self._ledger, self.stats, self._ending)
        cached = any(feed.reader.cache is not None for feed in feeds)
        look_ahead = LookAhead(config, feeds, self.rank, self.world_size) if cached else None
        return _Course(feeds, planner, worker, look_ahead)

    @property
    def _feeds(self) -> list[Feed]:
        return self._course.feeds

    @property
    def _planner(self) -> Planner:
        return self._course.planner

    @property
    def _here(self) -> Place:
        """Before the next batch to hand over."""
        return self.stats.handed.place

    @property
    def num_elements(self) -> int:
        """Elements of one pass of all datasets together."""
        return sum(feed.order.num_elements for feed in self._feeds)

    @property
    def num_batches(self) -> int:
        """Batches of one evaluation, the padded last one included."""
        if self._training:
            raise ValueError("num_batches: training has no end; use num_elements and batch_size")
        return -(-self.num_elements // self.config.batch_size)

    @property
    def decoder(self) -> str:
        """What decodes here and why it was taken, for a log."""
        return f"{self._backend.name}, because {self._backend.reason}"

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def progress(self) -> dict[str, tuple[int, int, int]]:
        """Per dataset, as handed over by all ranks: (whole passes, elements into the next pass, elements of a pass)."""
        return {
            feed.name: feed.progress(position) for feed, position in zip(self._feeds, self._here.positions, strict=True)
        }

    def quarantined(self) -> dict[str, dict[str, int]]:
        """Failed attempts of this rank by dataset and stage, as handed over, since the loader was made."""
        return self._ledger.counts(self.stats.handed.num_batches)

    def open_shards(self) -> dict[str, int]:
        """Per dataset, the shards that all ranks together draw from around the present position."""
        return {
            feed.name: int((feed.order.next_use(position) == 0).sum())
            for feed, position in zip(self._feeds, self._here.positions, strict=True)
        }

    def __iter__(self) -> Iterator[Batch]:
        """Training goes on where it stands. Evaluation starts anew, unless a state was loaded since the last time."""
        if not self._training and self._loaded is not self.stats.handed:
            self._go_to(self._start)
        self._loaded = None
        # Not a generator: that would be at its end after the first exception, and hold a batch on a line of its own.
        return iter(self.__next__, None)

    def __next__(self) -> Batch:
        before = self.stats.handed
        try:
            return self._next(before)
        except BaseException:
            self.stats.handed = before  # also when it came between handing over and the end of the call
            self._abandon()  # to save work; the next call would do it
            raise

    def state_dict(self) -> dict[str, Any]:
        """The cursor before the next batch that was not handed over; the same on every rank."""
        return self._cursor(self._here).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a saved place. Raises CursorMismatch naming the field when it is a place in another order."""
        saved, own = Cursor.from_dict(state), self._cursor(self._here)
        feeds = feeds_at(saved, self._opened, own, self.config)
        is_same = all(feed is now for feed, now in zip(feeds, self._feeds, strict=True))
        course = self._course if is_same else self._set_out(feeds)
        for name in ("batch_size", "world_size"):
            if getattr(saved, name) != getattr(own, name):
                _logger.info("resumed with %s %s, saved with %s", name, getattr(own, name), getattr(saved, name))
        if saved.decoder and saved.decoder != own.decoder:
            _logger.warning(
                "resumed with decoder %s (%s), saved with %s: the same frames, but their values differ a little "
                "(colour conversion, interpolation); set decode to keep one decoder",
                own.decoder,
                self._backend.reason,
                saved.decoder,
            )
        self._go_to(Place(saved.q, saved.positions), course)
        self._loaded = self.stats.handed

    def close(self) -> None:
        """Cancel what was made ahead and wait for the threads; calling it again does nothing."""
        if not any(pool.is_elsewhere for pool in self._pools):  # a lock may be held by a thread that stayed behind
            self._abandon()
        self._finalizer()
        _shut_down(self._pools, self.downloads, None, wait=True)

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Loader has threads and cannot be sent to another process: make it in the process that uses it "
            "(in a DataLoader: num_workers=0)"
        )

    def _next(self, before: HandedOver) -> Batch:
        """Make the batch at `before` and put in place what comes after it, which is the last thing that is done."""
        self._check_usable()
        if self._continued is not before:
            self._abandon()
            self._ahead = before.place
            if self._course.look_ahead is not None:
                self._course.look_ahead.restart()
        self._continued = None
        for pool in (self._fetching, self._pool):
            pool.start()
        self._note_queue()
        with self.stats.waiting():
            if self._course.look_ahead is not None and self._course.look_ahead.is_due(before.place):
                # by another thread: an interrupt of this one might leave the lists locked
                self._telling.call(self._course.look_ahead.update, before.place)
            self._plan_ahead(1, 0)  # the first batch of all has the line to itself
            if not self._pending:
                raise StopIteration
            batch = self._pending[0].wait()
        pending = self._pending.popleft()
        elements = before.elements + self._account(pending, batch, before)
        assert batch is not None  # or accounting has raised
        _use_here(batch)
        ahead = self.config.prefetch_batches
        self._plan_ahead(ahead, self.config.fetch_batches if ahead else 0)
        after = HandedOver(pending.plan.after, before.num_batches + 1, elements)
        self._continued = after
        # No call from here on, so no signal comes in between: Python looks for signals where a function is called.
        self.stats.handed = after
        return batch

    def _check_usable(self) -> None:
        if self.closed:
            raise ValueError("this loader is closed")
        if self._fetching.is_elsewhere:
            raise ValueError(
                f"this loader was started in process {self._fetching.pid}, and this is process {os.getpid()}, a fork "
                "of it: its threads stayed behind; make the Loader in the process that uses it"
            )

    def _note_queue(self) -> None:
        made = [pending for pending in self._pending if pending.started]
        ready = sum(pending.done.done() for pending in made)
        self.stats.found(ready, len(made), sum(pending.num_bytes for pending in made))

    def _plan_ahead(self, num_batches: int, further: int) -> None:
        """Have the next num_batches made, and the bytes of further ones fetched while there is room for them."""
        while len(self._pending) < num_batches + further:
            waiting = sum(pending.encoded_bytes for pending in self._pending)
            if len(self._pending) >= num_batches and waiting > self.config.fetch_bytes:
                break
            plan = self._planner.plan(self._ahead)
            if plan is None:
                break
            self._ahead = plan.after
            expected = sum(self._feeds[e.dataset].sample_bytes for e in plan.elements if e is not None)
            pending = Pending(plan, encoded_bytes=expected)
            self._pending.append(pending)
            self._fetching.submit(self._course.worker.fetch, pending)
        for pending in islice(self._pending, num_batches):
            pending.start_when_fetched(partial(_start, self._pool, self._course.worker, pending))

    def _account(self, pending: Pending, batch: Batch | None, before: HandedOver) -> Accounting:
        """What becomes of the elements of a batch. Files its failures, and stops the run when there are too many."""
        slots = [slot for slot in pending.slots if slot is not None and slot.origin != PADDING]
        failures = [failure for slot in slots for failure in slot.failures]
        if failures:
            self._ledger.file(failures, before.num_batches)
        if batch is None:
            raise exhausted(next(slot.failures for slot in slots if slot.frames is None), self._ledger)
        failed = sum(bool(slot.failures) for slot in slots)
        counts = Accounting(
            planned=len(slots),
            delivered=int(batch.valid.sum()) - (failed if self._training else 0),
            failed=failed,
            substituted=failed if self._training else 0,
            failed_attempts=len(failures),
            padded=len(pending.slots) - len(slots),
        )
        counts.check(self._training)
        total = before.elements + counts
        self._budget.check(total.failed_attempts, total.tried, self._ledger)
        return counts

    def _go_to(self, place: Place, course: _Course | None = None) -> None:
        self._abandon()
        handed, course = replace(self.stats.handed, place=place), course or self._course
        self._course, self.stats.handed = course, handed  # no call in between, so no signal comes

    def _abandon(self) -> None:
        """Give up what is made ahead."""
        self._continued = None
        for pending in self._pending:
            pending.abandon()
        self._pending.clear()

    def _cursor(self, place: Place) -> Cursor:
        feeds = [feed.at(position) for feed, position in zip(self._feeds, place.positions, strict=True)]
        shifts = tuple(feed.shift for feed in feeds)
        return Cursor(
            version=VERSION,
            seed=self.config.seed,
            fingerprint=combine_fingerprints([feed.fingerprint for feed in feeds]),
            streams=self.config.streams,
            window=tuple(feed.window for feed in feeds),
            datasets=tuple(feed.label for feed in feeds),
            weights=tuple(self._blend.weights),
            unit=self.config.unit if self._training else "pass",
            q=place.q,
            positions=place.positions,
            batch_size=self.config.batch_size,
            world_size=self.world_size,
            shards=tuple(feed.num_shards for feed in feeds),
            shifts=shifts if any(shifts) else (),
            decoder=self._backend.name,
        )


def _use_here(batch: Batch) -> None:
    """Tell torch that the consumer's stream uses a batch on the GPU, so that its memory is not given away too early."""
    if not isinstance(batch.frames, np.ndarray) and batch.frames.is_cuda:
        import torch

        batch.frames.record_stream(torch.cuda.current_stream(batch.frames.device))


def _start(pool: Pool, worker: Worker, pending: Pending) -> None:
    for numbers in pending.by_sample():
        pool.submit(worker.work, pending, *numbers)


def _open_downloads(config: LoaderConfig) -> Downloads | None:
    if config.cache is None or not any(is_remote(dataset.path) for dataset in config.blend):
        return None
    from shards.cache.downloads import Downloads
    from shards.cache.shard_cache import ShardCache

    cache = ShardCache(Path(config.cache.folder), config.cache.limit, config.cache.shared)
    return Downloads(cache, config.cache.connections, config.cache.part_bytes)


def _traffic(feeds: Sequence[Feed], downloads: Downloads | None) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for feed in feeds:
        counts.update(feed.reader.traffic())
    if downloads is not None:
        counts.update({f"cache_{name}": count for name, count in downloads.snapshot().items()})
    return dict(counts)


def _shut_down(pools: Sequence[Pool], downloads: Downloads | None, ending: threading.Event | None, wait: bool) -> None:
    if any(pool.is_elsewhere for pool in pools):
        return  # in a fork; a lock may be held by a thread that stayed behind
    if ending is not None:
        ending.set()
    if downloads is not None:
        downloads.close(wait)
    for pool in pools:
        pool.stop(wait)
