"""The loader: one rank's batches, in an order that is a function of (seed, data) alone.

Promises: the ranks' parts of a global batch, concatenated, are the same list for every world size; `state_dict` is the
position before the next batch that was not handed over yet, and a loader that loads it goes on exactly there, with any
world size or batch size that fits; threads and look-ahead change nothing. Training never ends, and an element with bad
data is replaced by a deterministic substitute. Evaluation gives every element once, in the order of the dataset, the
last batch padded and masked; nothing is substituted. Only bad data (SampleError, MediaError) is survived: any other
exception comes out of `next` with the origin it belongs to. Whatever comes out of `next`, KeyboardInterrupt at any line
included, position and accounts are those before that batch, and the next call gives it.

It starts no process and leaves no file: whatever ends its process ends all of it. Where samples take long to decode,
the switch interval of the interpreter (sys.setswitchinterval) becomes half a millisecond. A fork may use a loader that
gave no batch yet; one in use is refused there, and so does CUDA refuse one that decodes on a GPU.

Gives up: worker processes (reading and decoding release the GIL, so threads do), and sharing bytes between ranks.

    with Loader(config, rank, world_size, encode) as loader:
        for batch in loader: ...
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from shards.base.printing import logger
from shards.decode.backends import open_backend
from shards.loader.accounting import Accounting
from shards.loader.config import LoaderConfig
from shards.loader.feed import Feed, Weigh, open_downloads, open_feeds, traffic
from shards.loader.growth import feeds_at
from shards.loader.quarantine import FailureBudget, Ledger
from shards.loader.setup import Encode, Setup
from shards.loader.stages.batch import Batch, Unfilled
from shards.loader.stages.pipeline import Pipeline
from shards.loader.stages.pools import Pools, shut_down
from shards.loader.stages.watch import Watch
from shards.loader.stats import HandedOver, Stats
from shards.order.blend import Blend
from shards.order.cursor import Cursor, GivenUp
from shards.order.plan import Plan, RunPosition

_logger = logger(__name__)


class Loader:
    """One rank's batches: iterate, save `state_dict()`, close. Not to be shared between threads."""

    def __init__(
        self,
        config: LoaderConfig,
        rank: int,
        world_size: int,
        encode: Encode,
        ledger_path: Path | None = None,
        weigh: Weigh | None = None,
    ) -> None:
        """ledger_path: a JSON-lines file of this rank's own that failures are appended to. weigh: what weighs the
        datasets by their elements, in place of the weights of the config.

        Raises ValueError for an empty dataset, a batch that does not divide, or a rank that does not exist.
        """
        config.check_world_size(world_size)
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in [0, {world_size}), found {rank}")
        self.config, self.rank, self.world_size = config, rank, world_size
        self._training = config.mode == "train"
        self.downloads = open_downloads(config)
        """Brings remote shards into the cache; None where nothing is cached."""
        self._opened: list[Feed] = []
        self.stats = Stats(partial(traffic, self._opened, self.downloads))
        backend = open_backend(config.decode, self.stats.count_decoded, config.decode_settings)
        self._opened += open_feeds(config, self.downloads, weigh)
        self._ledger = Ledger(ledger_path, {feed.name: feed.fingerprint for feed in self._opened})
        self._budget = FailureBudget(config.max_failures, config.max_failure_rate, config.probation)
        blend = Blend([feed.config.weight for feed in self._opened], config.unit, config.batches_per_turn)
        self._watch = Watch(self.stats, config.decode_seconds, f"shards-watch-rank{rank}", backend.cpu)
        setup = Setup(
            config, rank, world_size, self._opened, blend, encode, backend, self._ledger, self.stats, self._watch
        )
        self._pools = Pools.of(setup)
        self._pipeline = Pipeline(setup, self._pools)
        self._start = RunPosition(0, (0,) * len(self._opened))
        self.stats.handed = HandedOver(self._start)
        self.hold = False
        """While this is set, a batch that is asked for is made and handed over, but none is begun ahead of it."""
        self._loaded: HandedOver | None = None
        """The place at which a state was loaded, as long as the loader stands there."""
        self._continued: HandedOver | None = None
        """The state that the pipeline goes on from. If anything breaks into the making of a batch, this and
        `stats.handed` differ, and the next call begins anew: the pipeline holds nothing that cannot be made again."""
        # Runs when the loader is dropped. It must not wait: the collector may run it in one of the pool's own threads.
        # At the end of the process the pool stops by itself. Nothing that it is given may lead back to the loader, as a
        # batch that failed does: its exception knows the frames that it came through.
        self._finalizer = weakref.finalize(self, shut_down, self._pools, self.downloads, self._watch, wait=False)
        self._finalizer.atexit = False

    @property
    def _feeds(self) -> Sequence[Feed]:
        return self._pipeline.setup.feeds

    @property
    def _here(self) -> RunPosition:
        """The place before the next batch to hand over."""
        return self.stats.handed.place

    @property
    def num_elements(self) -> int:
        """Elements of one pass of all datasets together."""
        return sum(feed.order.num_elements for feed in self._feeds)

    @property
    def elements_per_batch(self) -> float:
        """Mean elements of a global batch."""
        return self._pipeline.setup.blend.mean(self.config.batch_sizes)

    @property
    def num_batches(self) -> int:
        """Batches of one evaluation, the padded last one included."""
        if self._training:
            raise ValueError("num_batches: training has no end; use num_elements and batch_size")
        return -(-self.num_elements // self.config.batch_size)

    @property
    def decoder(self) -> str:
        """The name of the decoder and the reason for it, for a log."""
        backend = self._pipeline.setup.backend
        return f"{backend.name}, because {backend.reason}"

    @property
    def num_ready(self) -> int:
        """Finished batches that wait to be asked for."""
        return self._pipeline.queue()[0]

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
            feed.name: int((feed.order.next_use(position)[0] == 0).sum())
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

    @property
    def given_up(self) -> list[GivenUp]:
        """What this rank gave up for its time and will meet again: in batches made ahead, or in another evaluation."""
        return self._pipeline.setup.given_up_from(self._here)

    def state_dict(self, given_up: Iterable[Sequence[Any]] | None = None) -> dict[str, Any]:
        """The cursor before the next batch that was not handed over; the same on every rank for the same `given_up`:
        that of all ranks, which `RunAccounting.cursor` gathers (None: that of this one)."""
        found = self.given_up if given_up is None else given_up
        return self._pipeline.setup.cursor(self._here, found).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a saved place. Raises CursorMismatch naming the field when it is a place in another order."""
        pipeline, setup = self._pipeline, self._pipeline.setup
        saved, own = Cursor.from_dict(state), setup.cursor(self._here)
        feeds = feeds_at(saved, self._opened, own, self.config)
        given_up = {one[:3]: one.seconds for one in saved.given_up if feeds[one.dataset].is_as_saved(one.position)}
        if given_up or setup.given_up or any(feed is not now for feed, now in zip(feeds, setup.feeds, strict=True)):
            pipeline = Pipeline(replace(setup, feeds=feeds, given_up=given_up), self._pools)
        for name in ("batch_size", "batch_sizes", "batches_per_turn", "world_size"):
            if getattr(saved, name) != getattr(own, name):
                _logger.info("resumed with %s %s, saved with %s", name, getattr(own, name), getattr(saved, name))
        if saved.decoder and saved.decoder != own.decoder:
            _logger.warning(
                "resumed with decoder %s (%s), saved with %s: the same frames, but their values differ a little "
                "(colour conversion, interpolation); set decode to keep one decoder",
                own.decoder,
                setup.backend.reason,
                saved.decoder,
            )
        self._go_to(RunPosition(saved.q_in_turns_of(own.batches_per_turn or 1), saved.positions), pipeline)
        self._loaded = self.stats.handed

    def close(self) -> None:
        """Cancel what was made ahead and wait for the threads, for one that hangs until its clip is given up."""
        if not any(pool.is_elsewhere for pool in self._pools):  # a lock may be held by a thread that stayed behind
            self._abandon()
        self._finalizer.detach()
        shut_down(self._pools, self.downloads, self._watch, wait=True)

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
            self._pipeline.begin(before.place)
        self._continued = None
        # At the end of the process they are stopped from the last one on: all work looks at that of decoding.
        for pool in (self._pools.fetching, self._pools.alone, self._pools.decoding):
            pool.start()
        self.stats.found(*self._pipeline.queue())
        with self.stats.waiting():
            self._pipeline.start(before.place)
            taken = self._pipeline.take()
        if taken is None:
            raise StopIteration
        plan, batch = taken
        elements = self._account(plan, batch, before)
        assert isinstance(batch, Batch)  # or accounting has raised
        _use_here(batch)
        if not self.hold:
            self._pipeline.extend()
        after = HandedOver(plan.after, before.num_batches + 1, elements)
        self._continued = after
        # No call from here on, so no signal comes in between: Python looks for signals where a function is called.
        self.stats.handed = after
        return batch

    def _check_usable(self) -> None:
        if self.closed:
            raise ValueError("this loader is closed")
        self._watch.check()
        fetching = self._pools.fetching
        if fetching.is_elsewhere:
            raise ValueError(
                f"this loader was started in process {fetching.pid}, and this is process {os.getpid()}, a fork "
                "of it: its threads stayed behind; make the Loader in the process that uses it"
            )

    def _account(self, plan: Plan, made: Batch | Unfilled, before: HandedOver) -> Accounting:
        """The accounts with those of one more batch, whose failures are filed. Raises TooManyFailures."""
        if made.failures:
            self._ledger.file(made.failures, before.num_batches)
        if isinstance(made, Unfilled):
            raise self._ledger.exhausted(made.exhausted)
        total = before.elements + Accounting.of_batch(plan, made, self._training)
        self._budget.check(total.failed_attempts, total.tried, self._ledger)
        return total

    def _go_to(self, place: RunPosition, pipeline: Pipeline | None = None) -> None:
        self._abandon()
        handed, pipeline = replace(self.stats.handed, place=place), pipeline or self._pipeline
        self._pipeline, self.stats.handed = pipeline, handed  # no call in between, so no signal comes

    def _abandon(self) -> None:
        """Give up what is made ahead."""
        self._continued = None
        self._pipeline.abandon()


def _use_here(batch: Batch) -> None:
    """Tell torch that the consumer's stream uses a batch on the GPU, so that its memory is not given away too early."""
    if not isinstance(batch.frames, np.ndarray) and batch.frames.is_cuda:
        import torch

        batch.frames.record_stream(torch.cuda.current_stream(batch.frames.device))
