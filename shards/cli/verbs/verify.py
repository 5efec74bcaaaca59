"""`python -m shards verify PATH`: compare every byte of a dataset with its index.

Shards are checked in `--jobs` threads and reported in order; shards/dataset/checking/verify.py checks one shard. In
memory are the rows and chunks of a few shards and the first problems. The quarantine file is written during the check
and appears under its name when it is complete.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from shards.base.engines import threads
from shards.base.errors import UsageError
from shards.base.printing import cell, complain, json_line
from shards.cli.exit_codes import PROBLEMS, one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, PATH_ARGUMENT, ROOTS_OPTION, num_cores
from shards.cli.output import emit, facts_table
from shards.cli.progress import show_progress
from shards.cli.units import human_bytes
from shards.cli.verbs.open_dataset import Dataset, open_dataset
from shards.cli.verbs.tables import shard_tables

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType

    from shards.dataset.checking.problems import Problem, ShardReport

_SHOWN = 20
"""Problems in the table."""
_KEPT = 1000
"""Problems in the JSON object; further ones are only counted."""


def verify(
    path: str = PATH_ARGUMENT,
    quick: bool = typer.Option(False, "--quick", help="Check sizes and tar headers only: no checksums, no records."),
    decode: bool = typer.Option(False, "--decode", help="Also decode 4 frames of every medium."),
    jobs: int | None = typer.Option(None, min=1, help="Shards checked at a time.  [default: the CPU cores]"),
    quarantine: Path | None = typer.Option(None, metavar="FILE", help="Write the bad samples here, as JSON lines."),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Check every shard against the index: size, checksums, tar headers, records; and name tars that it does not know.

    Reads each shard once. The lines of --quarantine, {"shard": ..., "key": ..., "reason": ...}, name every sample that
    a loader could not use, so the file can serve as an exclusion list.

    \b
    Examples:
      python -m shards verify data/webvid
      python -m shards verify data/webvid --decode --jobs 8 --quarantine bad.jsonl
      python -m shards verify s3://bucket/webvid --quick --json

    \b
    Exit codes: 0 all is well, 1 something is wrong (named on stderr), 2 wrong usage.
    """
    with one_line_errors(debug):
        if quick and decode:
            raise UsageError("--quick reads no media, --decode needs them: choose one")
        dataset = open_dataset(path, "verify", root)
        result = verify_dataset(dataset, quick, decode, jobs or num_cores(), quarantine)
        emit(result.to_dict(), as_json, _tables(result))
        if result.num_problems:
            first = result.problems[0]
            where = first.shard + (f":{first.key}" if first.key is not None else "")
            more = f" (the first of {result.num_problems} problems)" if result.num_problems > 1 else ""
            complain(f"{dataset.url}: {where}: {first.reason}{more}")
            raise typer.Exit(PROBLEMS)


@dataclass(slots=True)
class Verification:
    """The result of a check."""

    dataset: str
    url: str
    verified: bool
    """True if the index has checksums."""
    quick: bool
    decode: bool
    num_shards: int = 0
    num_samples: int = 0
    num_members: int = 0
    num_records: int = 0
    num_decoded: int = 0
    num_unlisted: int = 0
    """Members that the index left out, because their samples are in its quarantine."""
    num_bytes: int = 0
    seconds: float = 0.0
    num_problems: int = 0
    num_bad_samples: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first problems."""

    def add(self, report: ShardReport) -> None:
        self.num_shards += 1
        for name in ("num_samples", "num_members", "num_records", "num_decoded", "num_unlisted", "num_bytes"):
            setattr(self, name, getattr(self, name) + getattr(report, name))
        self.num_bad_samples += len(report.bad)
        self.add_problems(report.problems)

    def add_problems(self, problems: Sequence[Problem]) -> None:
        self.num_problems += len(problems)
        self.problems += problems[: _KEPT - len(self.problems)]

    def to_dict(self) -> dict[str, Any]:
        return {"ok": not self.num_problems, **asdict(self)}


def verify_dataset(dataset: Dataset, quick: bool, decode: bool, jobs: int, quarantine: Path | None) -> Verification:
    """Check all shards. Raises DatasetError for an index that cannot be read, UsageError for a FILE that cannot."""
    from shards.dataset.checking.unindexed import unindexed_tars

    result = Verification(dataset.name, dataset.url, dataset.verified, quick, decode)
    start = time.perf_counter()
    total = int(dataset.index.shards.bytes.sum())
    with _whole_file(quarantine) as lines, show_progress("verify", total) as progress:
        for report in _reports(dataset, quick, decode, jobs, progress.advance):
            result.add(report)
            if lines is not None:
                lines.writelines(json_line(entry) + "\n" for entry in report.exclusions())
        result.add_problems(unindexed_tars(dataset.index))
    result.seconds = round(time.perf_counter() - start, 3)
    return result


def _reports(
    dataset: Dataset, quick: bool, decode: bool, jobs: int, advance: Callable[[int], None]
) -> Iterator[ShardReport]:
    """The reports of all shards, in order."""
    from shards.dataset.checking.verify import check_shard
    from shards.dataset.checking.verify_members import COLUMNS, ShardMembers
    from shards.dataset.indexing.publish import is_own
    from shards.dataset.writing.quarantine import read_quarantine
    from shards.decode.backends import open_decoder

    decoder = open_decoder("cpu") if decode else None
    table = dataset.index.shards
    quarantined = table.num_quarantined
    lines = read_quarantine(dataset.index.source) if is_own(dataset.index.dataset) else None
    stopped = threading.Event()

    def on_bytes(number: int) -> None:
        if stopped.is_set():
            raise CancelledError
        advance(number)

    def check(shard: tuple[int, pa.Table]) -> ShardReport:
        number, rows = shard
        return check_shard(
            dataset.shards,
            table.names[number],
            int(table.bytes[number]),
            table.checksums[number],
            int(table.num_elements[number]),
            ShardMembers(rows, dataset.index.rules),
            quick=quick,
            decoder=decoder,
            left_out=quarantined is not None and bool(quarantined[number]),
            quarantined=None if lines is None else lines.get(table.names[number], ()),
            on_bytes=on_bytes,
        )

    with closing(threads(jobs)(check, shard_tables(dataset, COLUMNS))) as reports:
        try:
            yield from reports
        finally:
            stopped.set()  # Ctrl-C waits for the piece that is being read, not for whole shards


@contextmanager
def _whole_file(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that appears under its name only if the block ends without an error."""
    if path is None:
        yield None
        return
    aside = path.with_name(f".{path.name}.unfinished")
    try:
        file = aside.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        with file:
            yield file
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _tables(result: Verification) -> RenderableType:
    from rich.console import Group
    from rich.table import Table

    title = f"{result.dataset} at {result.url}"
    counted = (
        ("shards", result.num_shards),
        ("samples", result.num_samples),
        ("members", result.num_members),
        *(() if result.quick else (("records counted", result.num_records),)),
        *((("media decoded", result.num_decoded),) if result.decode else ()),
        *((("members left out by the index", result.num_unlisted),) if result.num_unlisted else ()),
    )
    rows = [(label, f"{number:,}") for label, number in counted]
    if not result.quick:
        speed = result.num_bytes / max(result.seconds, 1e-9)
        rows.append(("read", f"{human_bytes(result.num_bytes)} in {result.seconds:.1f} s, {human_bytes(speed)}/s"))
    if result.quick:
        rows.append(("checked", "sizes and tar headers only (--quick)"))
    elif result.verified:
        rows.append(("checked", "sizes, checksums of shards and members, tar headers, records"))
    else:
        rows.append(("checked", "sizes, tar headers, records; the index has no checksums (made with --headers)"))
    rows.append(("problems", f"{result.num_problems:,}"))
    rows.append(("bad samples", f"{result.num_bad_samples:,}"))
    facts = facts_table(title, rows)
    if not result.problems:
        return facts
    table = Table(title="Problems", title_justify="left")
    for column in ("shard", "key", "what", "expected", "found"):
        table.add_column(column, overflow="fold")
    for problem in result.problems[:_SHOWN]:
        fields = (problem.shard, problem.key or "", problem.what, problem.expected, problem.found)
        table.add_row(*(cell(text, 120) for text in fields))
    more = result.num_problems - _SHOWN
    return Group(facts, table, *([cell(f"... and {more:,} more")] if more > 0 else []))
