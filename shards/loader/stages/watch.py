"""The watch over decoding: a clip that takes longer than its limit is given up, and its thread is replaced.

Promises: only time inside the decoder counts, neither the fetching of bytes nor time in which the whole process is
stopped: a tick of the watch adds at most its own length to a clip, however late it comes. Whether a clip came in time
is decided once: a thread that comes back later finds its clip given up, and what it made goes nowhere (`end` raises
`Replaced`). At most MOST_STUCK threads hang at a time; one more stops the run, by the names of the clips. A thread
that comes back does not hang any more. A clip that is decoded within a tick costs two entries of a dict.
Gives up: stopping a thread, which nothing in a process can do; a decoder that hangs with the interpreter lock, which
stops the watch as well; and the clips of a second that a limit is exceeded by (one tick).
"""

from __future__ import annotations

import threading
import time
from itertools import count
from queue import Empty, SimpleQueue
from typing import Protocol

from shards.base.errors import TooManyStuck
from shards.base.printing import logger
from shards.base.thread_time import name_thread
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
"""The limit is so many times as long until the loader has its first clip: libraries are loaded, a GPU starts."""

_logger = logger(__name__)


class Watched(Protocol):
    """A thread's work, as the watch sees it."""

    origin: Origin
    """The sample whose clip is decoded."""
    media: Media
    thread: int
    """The thread's number, set by the watch."""

    def hand_over(self, seconds: float) -> None:
        """Give up the clip, and have another thread go on in place of this one."""

    def stop(self, error: Exception) -> None:
        """End all that is under way with an error."""


class Watch:
    """Watches the clips that the threads of one loader decode. Its own thread starts with the first clip."""

    def __init__(self, stats: Stats, seconds: float | None, name: str = "shards-watch") -> None:
        """seconds: limit for the decoding of a clip; None: there is none, and nothing is watched."""
        self._stats, self._name = stats, name
        self._seconds = None if seconds is None else round(seconds, 3)
        self._tick = min(_LONGEST_TICK_S, (seconds or 1.0) / _TICKS)
        self._tickets = count()
        self._running: dict[int, Watched] = {}
        self._counts: dict[int, int] = {}
        """Ticks that have found a clip being decoded, by its ticket."""
        self._stuck: dict[int, Origin] = {}
        self._error: TooManyStuck | None = None
        self._is_warm = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._over: SimpleQueue[None] = SimpleQueue()  # which a collector may use at any line, also of the watch

    def begin(self, work: Watched) -> int:
        """The calling thread begins to decode a clip; returns a ticket for `end`."""
        if self._thread is None and self._seconds is not None:
            self._start()
        work.thread = threading.get_ident()
        ticket = next(self._tickets)
        self._running[ticket] = work
        return ticket

    def end(self, ticket: int) -> None:
        """It has come to an end, with frames or without. Raises Replaced when the clip has been given up."""
        # To take the entry out is one operation for all threads: whoever gets it decides.
        if self._running.pop(ticket, None) is None:
            self._stuck.pop(ticket, None)
            raise Replaced("another thread has taken this one's place: its clip took too long")
        self._is_warm = True

    def check(self) -> None:
        """Raise TooManyStuck as long as too many threads hang."""
        if self._error is not None and len(self._stuck) > MOST_STUCK:
            raise TooManyStuck(*self._error.args)

    def stop(self, wait: bool = True) -> None:
        """Stop watching when nothing is decoded any more; wait: until then."""
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
        while self._running:
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
        for ticket, work in self._running.copy().items():
            seen = self._counts.get(ticket, 0) + (not _is_fetching(work.media))
            if (seen - 1) * self._tick < limit:  # the first tick may have found it at its beginning
                counts[ticket] = seen
            elif self._is_ours(ticket, work):
                late.append(work)
        self._counts = counts
        stuck = [*self._stuck.copy().values()]
        if len(stuck) <= MOST_STUCK:
            self._error = None
        elif late:
            self._error = TooManyStuck(*_message(stuck, self._seconds))
            late[0].stop(self._error)
        for work in late:
            self._hand_over(work, self._seconds, len(stuck))

    def _is_ours(self, ticket: int, work: Watched) -> bool:
        """Take a clip from its thread; False if it came in time after all."""
        self._stuck[ticket] = work.origin  # first: when its thread comes back, it takes this out
        if self._running.pop(ticket, None) is not None:
            return True
        self._stuck.pop(ticket, None)
        return False

    def _hand_over(self, work: Watched, seconds: float, num_stuck: int) -> None:
        _logger.warning(
            "%s: decoding took longer than %g s and was given up; its thread, which cannot be stopped, was replaced "
            "(%d of this loader hang, %d may)",
            work.origin,
            seconds,
            num_stuck,
            MOST_STUCK,
        )
        self._stats.count_given_up(threads=1)
        try:
            work.hand_over(seconds)
        except RuntimeError as error:  # the system gives no thread
            work.stop(error)


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
