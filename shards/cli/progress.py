"""Progress of a command: a bar on a terminal, and elsewhere a heartbeat line every minute; both on stderr.

A heartbeat says how much is done, the rate, and the time left. It comes from a thread, so that a log also shows when
nothing moves. Rates are those of this run: what an earlier run did counts as done, but not for the rate.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from shards.base.printing import say
from shards.cli.units import human_bytes, human_number, human_seconds

HEARTBEAT_SECONDS = 60.0
_REASONS_SHOWN = 4


class Progress:
    """The progress of some work; any thread may report to it."""

    def __init__(
        self, what: str, total: int | None, unit: str, on_change: Callable[[Progress], None] | None = None
    ) -> None:
        """unit: of what is counted ("rows"); "bytes" are shown in kB to PB. on_change: called after every change."""
        self.what, self.total, self.unit = what, total, unit
        self.done = self.quarantined = 0
        self.reasons: Mapping[str, int] = {}
        """How many were quarantined for each kind of reason, as far as it is known."""
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

    def update(
        self,
        done: int,
        total: int | None = None,
        quarantined: int | None = None,
        reasons: Mapping[str, int] | None = None,
    ) -> None:
        """Report how much is done in all. total: if it is known only now. reasons: how often each kind occurred."""
        self.done = done
        self.total = self.total if total is None else total
        self.quarantined = self.quarantined if quarantined is None else quarantined
        self.reasons = self.reasons if reasons is None else reasons
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
        if self.quarantined:
            commonest = sorted(self.reasons.items(), key=lambda reason: -reason[1])[:_REASONS_SHOWN]
            why = ", ".join(f"{kind}: {count:,}" for kind, count in commonest)
            parts.append(f"{self.quarantined:,} quarantined" + (f" ({why})" if why else ""))
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
        while not ended.wait(HEARTBEAT_SECONDS):
            say(progress.line, stream)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()
