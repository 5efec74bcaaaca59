"""The watch over decoding: a clip that takes longer than its limit is given up, and its thread is replaced.

Promises: only time inside the decoder counts, neither the fetching of bytes, nor the wait for others that use the CPU,
nor time in which the whole process is stopped: a tick of the watch adds at most its own length to a clip, however late
it comes. Whether a clip came in time is decided once: a thread that comes back later finds its clip given up, and what
it made goes nowhere (`end` raises `Replaced`). At most MOST_STUCK threads hang at a time; one more stops the run, by
the names of the clips. A thread that comes back does not hang any more. A clip costs the making of a small list.
Gives up: stopping a thread, which nothing in a process can do; a decoder that hangs with the interpreter lock, which
stops the watch as well; and exactness: a clip may take a tick more, an eighth of the limit or half a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from shards.base.errors import TooManyStuck
from shards.base.printing import logger
from shards.base.thread_time import name_thread
from shards.decode.cpu_slots import CpuSlots
from shards.loader.stages.pool import Replaced
from shards.loader.stats import Stats
from shards.media.mapped import MappedFrames
from shards.media.medium import Media
from shards.media.partial import PartialMedium
from shards.read.sample import Origin

MOST_STUCK = 4
"""Threads of one loader that may hang at a time."""
_LONGEST_TICK_S, _TICKS = 0.5, 8
"""Seconds between two looks at most, and looks within a limit at least."""
_FIRST_TIMES = 3
"""The limit is so many times as long until a thread is through with its part of a first batch: libraries are loaded, a
GPU starts."""

_logger = logger(__name__)


class Watched(Protocol):
    """A thread's turn at a batch, as the watch sees it."""

    thread: int
    """The thread's number, set by the watch."""
    running: list[bool]
    """A new list for each clip, with an entry as long as it is decoded; whoever takes it out has the clip."""

    @property
    def origin(self) -> Origin:
        """The sample whose clip is decoded."""

    @property
    def media(self) -> Media:
        """The medium of that clip."""

    def hand_over(self, seconds: float) -> None:
        """Give up the clip, and have another thread go on with the turn."""

    def stop(self, error: Exception) -> None:
        """End all that is under way with an error."""


_W = TypeVar("_W", bound=Watched)


def end(running: list[bool]) -> None:
    """The decoding of a clip has come to an end, with frames or without. Raises Replaced if it has been given up."""
    try:
        running.pop()  # one operation for all threads
    except IndexError:
        raise Replaced("another thread has taken this one's place: its clip took too long") from None


class Watch:
    """Watches the clips that the threads of one loader decode. Its own thread starts with their first turn."""

    def __init__(
        self, stats: Stats, seconds: float | None, name: str = "shards-watch", cpu: CpuSlots | None = None
    ) -> None:
        """seconds: limit for the decoding of a clip; None: there is none, and nothing is watched. cpu: what decoding
        threads wait for to use the CPU."""
        self._stats, self._name, self._cpu = stats, name, cpu
        self._seconds = None if seconds is None else round(seconds, 3)
        self._tick = min(_LONGEST_TICK_S, (seconds or 1.0) / _TICKS)
        self._turns: dict[int, Watched] = {}
        """By the number of the thread."""
        self._counts: dict[int, tuple[list[bool], int]] = {}
        """What each thread was at when the last tick came, and the ticks that have found it there."""
        self._stuck: dict[int, Origin] = {}
        """What threads hang at, by their number."""
        self._error: TooManyStuck | None = None
        self._is_warm = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._over: SimpleQueue[None] = SimpleQueue()  # which a collector may use at any line, also of the watch

    @contextmanager
    def over(self, turn: _W) -> Iterator[_W]:
        """Watch a turn of the calling thread."""
        if self._thread is None and self._seconds is not None:
            self._start()
        turn.thread = number = threading.get_ident()
        self._turns[number] = turn
        try:
            yield turn
        finally:
            self._turns.pop(number)
            if self._stuck.pop(number, None) is None:
                self._is_warm = True

    def check(self) -> None:
        """Raise TooManyStuck as long as too many threads hang."""
        if self._error is not None and len(self._stuck) > MOST_STUCK:
            raise TooManyStuck(*self._error.args)

    def stop(self, wait: bool = True) -> None:
        """Stop watching when no thread has a turn that may still end; wait: until then."""
        self._over.put(None)
        if wait and self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        name_thread("watch")
        while not self._is_over():
            self._look()
        while self._turns.copy().keys() - self._stuck.copy().keys():
            time.sleep(self._tick)
            self._look()

    def _is_over(self) -> bool:
        """Wait for a tick; True if the watch is to be stopped."""
        try:
            self._over.get(timeout=self._tick)
        except Empty:
            return False
        return True

    def _look(self) -> None:
        """Count a tick for each clip that is being decoded, and give up those that have had too many."""
        assert self._seconds is not None
        limit = self._seconds if self._is_warm else self._seconds * _FIRST_TIMES
        counts, late = {}, []
        for number, turn in self._turns.copy().items():
            running = turn.running
            if not running or number in self._stuck:
                continue
            before, ticks = self._counts.get(number, (running, 0))
            ticks = (ticks if before is running else 0) + (not self._is_idle(turn))
            if (ticks - 1) * self._tick < limit:  # the first tick may have found it at its beginning
                counts[number] = running, ticks
            elif self._is_ours(number, turn, running):
                late.append(turn)
        self._counts = counts
        stuck = [*self._stuck.copy().values()]
        if len(stuck) <= MOST_STUCK:
            self._error = None
        elif late:
            self._error = TooManyStuck(*_message(stuck, self._seconds))
            late[0].stop(self._error)
        for turn in late:
            self._hand_over(turn, self._seconds, len(stuck))

    def _is_idle(self, turn: Watched) -> bool:
        """Whether a decoder waits for bytes, or for others that use the CPU."""
        return _is_fetching(turn.media) or (self._cpu is not None and self._cpu.is_waiting(turn.thread))

    def _is_ours(self, number: int, turn: Watched, running: list[bool]) -> bool:
        """Take a clip from its thread; False if it came in time after all."""
        self._stuck[number] = turn.origin  # first: when its thread comes back, it takes this out
        try:
            running.pop()
        except IndexError:
            self._stuck.pop(number, None)
            return False
        return True

    def _hand_over(self, turn: Watched, seconds: float, num_stuck: int) -> None:
        _logger.warning(
            "%s: decoding took longer than %g s and was given up; its thread, which cannot be stopped, was replaced "
            "(%d of this loader hang, %d may)",
            turn.origin,
            seconds,
            num_stuck,
            MOST_STUCK,
        )
        self._stats.count_given_up(threads=1)
        if self._cpu is not None:
            self._cpu.free(turn.thread)
        try:
            turn.hand_over(seconds)
        except RuntimeError as error:  # the system gives no thread
            turn.stop(error)


def _is_fetching(media: Media) -> bool:
    """Whether a medium has its reader wait for bytes; frames that are mapped from a file need nothing else."""
    return isinstance(media, MappedFrames) or (isinstance(media, PartialMedium) and media.is_fetching)


def _message(stuck: list[Origin], seconds: float) -> list[str]:
    what = (
        f"{len(stuck)} threads hang in the decoder, each for more than {seconds:g} s at one clip, and {MOST_STUCK} "
        "may; they cannot be stopped, but a new process begins without them; raise decode_seconds if these clips are "
        "only slow, else take them out of the dataset:"
    )
    return [what, *(f"  {origin}" for origin in dict.fromkeys(stuck))]
