"""Fetch many files at once: `python -m tools fetch` as functions.

Promises: rows in = fetched + there before + failed, each failure counted by its kind and filed with its address; a file
that is there is not fetched again; a killed run goes on where it was. Memory does not grow with the number of rows. A
fault of the machine (no space left) stops the run. Gives up: proxies.
"""

from __future__ import annotations

import asyncio
import stat
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shards.base import ConversionError
from shards.cli import Progress
from shards.dataset import NUM_EXAMPLES
from tools.fetch.addresses import public_resolver
from tools.fetch.download import Downloads, Wanted
from tools.fetch.failures import FetchFailed
from tools.fetch.ledger import Ledger, open_ledger, source_of
from tools.fetch.lists import LISTS
from tools.fetch.politeness import Manners
from tools.rows import BadRow, OptionError

AGENT = "mcg-streams (dataset download; python -m tools fetch)"
"""The User-Agent of every request, where the user gives none."""
_MANNERS = Manners()
_SKIPPED_AT_ONCE = 256
_IDLE_SECONDS = 2.0
"""An idle connection is kept so long: a list may name thousands of hosts, and each connection is an open file."""


@dataclass(slots=True, kw_only=True)
class FetchReport:
    """The accounts of a fetch; num_rows = num_fetched + num_there + num_failed."""

    name: str
    out: str
    num_rows: int = 0
    num_fetched: int = 0
    num_there: int = 0
    """Files that were there before."""
    num_failed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    """Failures by kind, the commonest first; "dead before" are those that an earlier run met and that were not asked.
    """
    examples: list[str] = field(default_factory=list)
    bytes: int = 0
    """Bytes that came in."""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def fetch_media(
    name: str,
    annotations: Path,
    out: Path,
    *,
    manners: Manners = _MANNERS,
    agent: str = AGENT,
    max_bytes: int | None = None,
    named: Collection[str] = (),
    limit: int | None = None,
    retry_all: bool = False,
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch the media that an annotation file of dataset `name` (of LISTS) names, into the folder `out`.

    named: hosts that may be at private addresses. limit: take the first rows only. retry_all: ask dead addresses again.
    Raises OptionError, AnnotationError, ConversionError; OSError for the disk.
    """
    listed = LISTS[name]
    source = source_of(annotations)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"fetch-{annotations.stem}.jsonl"
    others = [other.name for other in out.glob("fetch-*.jsonl") if other != path]
    if listed.is_numbered and others:
        raise OptionError(
            f"{out}: holds what {others[0]} is about; files of {name} are named by row number, so every annotation "
            "file needs a folder of its own: choose another --out"
        )
    with open_ledger(path) as ledger:
        ledger.go_on(source, retry_all)
        rows = listed.rows(annotations, out)
        report = FetchReport(name=name, out=str(out))
        return _run(report, rows, ledger, manners, agent, max_bytes or listed.max_bytes, named, limit, progress)


def fetch_files(
    name: str,
    out: Path,
    files: Collection[Wanted],
    *,
    manners: Manners = _MANNERS,
    agent: str = AGENT,
    named: Collection[str] = (),
    progress: Progress | None = None,
) -> FetchReport:
    """Fetch the files of a release, which may be large: progress counts bytes. Raises OSError for the disk."""
    out.mkdir(parents=True, exist_ok=True)
    report = FetchReport(name=name, out=str(out))
    return _run(report, iter(files), None, manners, agent, None, named, None, progress)


def _run(
    report: FetchReport,
    rows: Iterator[Wanted | BadRow],
    ledger: Ledger | None,
    manners: Manners,
    agent: str,
    max_bytes: int | None,
    named: Collection[str],
    limit: int | None,
    progress: Progress | None,
) -> FetchReport:
    begin = time.monotonic()
    run = _Run(report, rows, ledger, limit, progress)
    asyncio.run(run.all(manners, agent, max_bytes, named))
    report.failed = dict(Counter(report.failed).most_common())
    accounted = report.num_fetched + report.num_there + report.num_failed
    if accounted != report.num_rows:
        raise ConversionError(f"{report.out}: {report.num_rows} rows came in, {accounted} came out; report a bug")
    report.seconds = time.monotonic() - begin
    return report


class _Run:
    """A run: its rows, which all workers draw from, and its accounts."""

    def __init__(
        self,
        report: FetchReport,
        rows: Iterator[Wanted | BadRow],
        ledger: Ledger | None,
        limit: int | None,
        progress: Progress | None,
    ) -> None:
        self._report, self._rows, self._ledger, self._limit, self._progress = report, rows, ledger, limit, progress
        self._targets: set[Path] = set()
        """Files that are being fetched just now: two rows may name one."""

    async def all(self, manners: Manners, agent: str, max_bytes: int | None, named: Collection[str]) -> None:
        """Work until the rows are at their end."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=manners.connect_seconds, sock_read=manners.read_seconds
        )
        # Names are looked up in threads, and those of dead hosts take seconds.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(manners.jobs))
        connector = aiohttp.TCPConnector(limit=0, resolver=public_resolver(named), keepalive_timeout=_IDLE_SECONDS)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers={"User-Agent": agent, "Accept": "*/*", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session:
            downloads = Downloads(session, manners, max_bytes, named, self._count_bytes)
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(manners.jobs):
                        workers.create_task(self._work(downloads))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None  # the first fault of the machine has stopped the others

    async def _work(self, downloads: Downloads) -> None:
        while (wanted := await self._next()) is not None:
            self._targets.add(wanted.path)
            try:
                await downloads.fetch(wanted)
                self._report.num_fetched += 1
            except FetchFailed as failed:
                self._refuse(wanted, failed)
            finally:
                self._targets.discard(wanted.path)
            self._show()

    async def _next(self) -> Wanted | None:
        """The next file that is missing; None at the end."""
        report, skipped = self._report, 0
        while self._limit is None or report.num_rows < self._limit:
            row = next(self._rows, None)
            if row is None:
                return None
            report.num_rows += 1
            if isinstance(row, BadRow):
                self._count_failure(row.kind, row.reason)
                if self._ledger is not None:
                    self._ledger.add_bad(row)
            elif row.path in self._targets or _is_there(row.path):
                report.num_there += 1
            elif self._ledger is not None and self._ledger.is_dead(row.row):
                self._count_failure("dead before", "")
            else:
                return row
            skipped += 1
            if skipped % _SKIPPED_AT_ONCE == 0:
                self._show()
                await asyncio.sleep(0)  # the downloads go on meanwhile
        return None

    def _refuse(self, wanted: Wanted, failed: FetchFailed) -> None:
        where = f"{wanted.place}: " if wanted.place else ""
        self._count_failure(failed.kind, f"{failed.kind}: {where}{wanted.url}: {failed}")
        if self._ledger is not None:
            self._ledger.add(wanted, failed)

    def _count_failure(self, kind: str, example: str) -> None:
        report = self._report
        report.num_failed += 1
        report.failed[kind] = report.failed.get(kind, 0) + 1
        if example and len(report.examples) < NUM_EXAMPLES:
            report.examples.append(example)

    def _count_bytes(self, number: int) -> None:
        self._report.bytes += number
        if self._ledger is None and self._progress is not None:
            self._progress.update(self._report.bytes, quarantined=self._report.failed)

    def _show(self) -> None:
        if self._ledger is not None and self._progress is not None:
            report = self._report
            done = report.num_fetched + report.num_there + report.num_failed
            self._progress.update(done, quarantined=report.failed)


def _is_there(path: Path) -> bool:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size > 0
