"""Progress of a command: a bar on a terminal, and elsewhere a heartbeat line every minute; both on stderr.

A heartbeat says how much is done, the rate, the time left and what failed, by reason; the first one, after some
seconds, is the first measured answer to how long all will take. It comes from a thread, so that a log also shows when
nothing moves. Rates are those of this run: what an earlier run did counts as done, but not for the rate.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shards.base.printing import say
from shards.cli.units import human_bytes, human_number, human_seconds

FIRST_SECONDS = 10.0
"""Before the first heartbeat."""
HEARTBEAT_SECONDS = 60.0


class Progress:
    """The progress of some work; any thread may report to it."""

    def __init__(
        self, what: str, total: int | None, unit: str, on_change: Callable[[Progress], None] | None = None
    ) -> None:
        """unit: of what is counted ("rows"); "bytes" are shown in kB to PB. on_change: called after every change."""
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.quarantined: dict[str, int] = {}
        """Refused so far, by reason."""
        self._before, self._start = 0, time.monotonic()
        self._on_change = on_change or (lambda progress: None)
        self._lock = threading.Lock()

    def skip(self, number: int) -> None:
        """Report what an earlier run had done."""
        self.done = self._before = number
        self._start = time.monotonic()
        self._on_change(self)

    def advance(self, number: int = 1) -> None:
        """Report that so much more is done."""
        with self._lock:
            self.done += number
        self._on_change(self)

    def update(self, done: int, total: int | None = None, quarantined: dict[str, int] | int | None = None) -> None:
        """Report how much is done in all. total: if it is known only now. quarantined: by reason, or their number."""
        self.done = done
        self.total = self.total if total is None else total
        if quarantined is not None:
            self.quarantined = {"": quarantined} if isinstance(quarantined, int) else quarantined
        self._on_change(self)

    @property
    def rate(self) -> float:
        """Done per second by this run."""
        return (self.done - self._before) / max(time.monotonic() - self._start, 1e-9)

    @property
    def pace(self) -> str:
        """The rate, the time left and what was quarantined, as far as they are known."""
        parts = []
        if self.done > self._before:
            parts.append(f"{human_bytes(self.rate)}/s" if self.unit == "bytes" else f"{human_number(self.rate)}/s")
            if self.total is not None and self.done < self.total:
                parts.append(f"{human_seconds((self.total - self.done) / self.rate)} left")
        # A copy in one step: another thread may count.
        refused = sorted(self.quarantined.copy().items(), key=lambda item: -item[1])
        if number := sum(count for _, count in refused):
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in refused if reason)
            parts.append(f"{number:,} quarantined" + (f" ({reasons})" if reasons else ""))
        return ", ".join(parts)

    @property
    def line(self) -> str:
        """The heartbeat: "verify: 20.5 GB of 41 GB (50 %), 512 MB/s, 40 s left"."""
        shown = human_bytes if self.unit == "bytes" else "{:,}".format
        counted = shown(self.done)
        if self.total:
            counted += f" of {shown(self.total)}"
        if self.unit != "bytes":
            counted += f" {self.unit}"
        if self.total:
            counted += f" ({min(1.0, self.done / self.total):.0%})"
        return ", ".join(filter(None, [f"{self.what}: {counted}", self.pace]))


@contextmanager
def show_progress(what: str, total: int | None = None, unit: str = "bytes") -> Iterator[Progress]:
    """Show progress while the block runs. The block reports to the yielded object."""
    with _bar(what, total, unit) if sys.stderr.isatty() else _heartbeat(what, total, unit) as progress:
        yield progress


@contextmanager
def _bar(what: str, total: int | None, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    counted = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn(what), BarColumn(), counted, TextColumn("{task.fields[pace]}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, pace="")
        yield Progress(
            what,
            total,
            unit,
            lambda now: bar.update(task, completed=now.done, total=now.total, pace=now.pace),
        )


@contextmanager
def _heartbeat(what: str, total: int | None, unit: str) -> Iterator[Progress]:
    progress, ended, stream = Progress(what, total, unit), threading.Event(), sys.stderr

    def beat() -> None:
        seconds = min(FIRST_SECONDS, HEARTBEAT_SECONDS)
        while not ended.wait(seconds):
            say(progress.line, stream)
            seconds = HEARTBEAT_SECONDS

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()
