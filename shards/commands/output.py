"""What the verbs share: opening a dataset, one object or table on stdout, progress, and which error is which exit code.

Promises: data is hostile, so nothing of it reaches a terminal as an escape sequence or as markup, and what is no JSON
(NaN, infinities) becomes null. Errors are one line that names the place and the remedy.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shards.addresses import parent
from shards.foreign import kind_of_folder
from shards.index import DATASET_FILE, Index, WrongPlace
from shards.printing import PrintableError, complain, one_line, say_json
from shards.source import AccessDenied, MissingFile, Source, SourceError, checked, is_remote, open_source

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, ProgressColumn, TaskID

PROBLEMS, WRONG_USAGE, BUG, STOPPED = 1, 2, 3, 130
_WIDTH_OF_A_PIPE = 160
"""Columns of a table that is not shown on a terminal."""
_NUM_NAMED = 8
"""Datasets that a message names."""

PATH = typer.Argument(metavar="PATH", help="Folder or URL (s3://..., memory://...) that holds dataset.json.")
ROOTS = typer.Option(
    None,
    "--root",
    metavar="PLACE",
    help="Where shards may lie, and a web server redirect to, beside the index; may be given repeatedly.",
)
JSON = typer.Option(False, "--json", help="Print one JSON object instead of tables.")
DEBUG = typer.Option(False, "--debug", help="Show the traceback of an error.")


class UsageError(PrintableError, ValueError):
    """A path or option that cannot be meant as given; exit code 2."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An opened dataset."""

    address: str
    """With credentials: not to be shown."""
    index: Index
    roots: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address as it may be shown."""
        return self.index.source.url

    @property
    def name(self) -> str:
        return str(self.index.dataset["name"])

    @property
    def shards(self) -> Source:
        """Where its shards lie."""
        return self.index.shard_source

    @property
    def verified(self) -> bool:
        """Whether the index holds checksums of every byte."""
        return self.index.verified


def open_dataset(path: str, verb: str = "stats", roots: Sequence[str] | None = None) -> Dataset:
    """Open the dataset at a path. Raises UsageError when there is none; DatasetError, SourceError as Index.open.

    verb: the one that is running, for the command that the message gives. roots: shards/roots.py.
    """
    folder, name = parent(checked(path))
    address, roots = folder if name == DATASET_FILE else path, tuple(roots or ())
    source = open_source(address, roots)
    try:
        source.stat(DATASET_FILE)
    except MissingFile as error:
        raise UsageError(_no_dataset(source.url, source, verb)) from error
    return Dataset(address, Index.open(source, roots), roots)


def no_samples(dataset: Dataset, purpose: str) -> str:
    """What is said of a dataset without any."""
    num_quarantined = dataset.index.dataset.get("num_quarantined")
    why = f"; {num_quarantined} are quarantined, quarantine.jsonl there says why" if num_quarantined else ""
    return f"{dataset.url}: has no samples to {purpose}{why}"


def _no_dataset(url: str, source: Source, verb: str) -> str:
    """Why there is no dataset at a path, and what to type."""
    folder, _, file = url.rpartition("/")
    if file.endswith(".tar") and not os.path.isdir(url):
        shard = f" --shard {file}" if verb == "ls" else ""
        return f"{url}: is one shard, not a dataset; type: python -m shards {verb} {folder or '.'}{shard}"
    if file.endswith(".beton"):
        return f"{url}: is a file of stored frames, not a dataset of shards; source: ffcv reads and checks it"
    try:
        tars = len(source.list(".tar"))
    except SourceError:
        return f"{url}: no dataset here (no folder with this name holds a {DATASET_FILE}); check the path"
    if tars:
        found = f"the folder holds {tars} tars but no {DATASET_FILE}"
        return f"{url}: no dataset here, {found}; make the index of tars with: python -m shards index {url}"
    below = _datasets_below(url)
    if below:
        more = f" and {len(below) - _NUM_NAMED} more" if len(below) > _NUM_NAMED else ""
        names = ", ".join(below[:_NUM_NAMED])
        command = f"python -m shards {verb} {below[0]}"
        return f"{url}: no dataset here, but in folders below it: {names}{more}; type e.g.: {command}"
    kind = kind_of_folder(source)
    if kind:
        return f"{url}: no dataset here: {kind}"
    return (
        f"{url}: no dataset here, the folder holds neither {DATASET_FILE} nor tars; check the path, or make the index "
        "of tars with: python -m shards index FOLDER_OF_TARS"
    )


def _datasets_below(url: str) -> list[str]:
    """Folders of this machine up to two levels below that hold a dataset; none of a URL, where looking takes long."""
    if is_remote(url):
        return []
    found = (path for pattern in ("*", "*/*") for path in Path(url).glob(f"{pattern}/{DATASET_FILE}"))
    return sorted(str(path.parent) for path in found)


def emit(data: Mapping[str, Any], as_json: bool, table: RenderableType) -> None:
    """Print the result: data as one JSON object, or the table."""
    if as_json:
        say_json(data)
    else:
        console().print(table)


def console() -> Console:
    """The console of stdout; wide when it is a pipe, so that tables keep their columns."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def human_bytes(number: float) -> str:
    """Bytes in decimal units, three digits: 512 B, 20.5 kB, 1.07 GB."""
    if number < 999.5:
        return f"{number:.0f} B"
    units = ("kB", "MB", "GB", "TB", "PB")
    power = min(int(math.log10(number * 1.0005) / 3), len(units))
    return f"{number / 1000**power:.3g} {units[power - 1]}"


def num_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def byte_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr over `total` bytes, when stderr is a terminal; yields the function that adds to it."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _bar(columns, total) as (progress, task):
        yield lambda number: progress.update(task, advance=number)


@contextmanager
def count_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr over `total` things, when stderr is a terminal; yields the function that adds to it."""
    with _bar(_counting(what), total) as (progress, task):
        yield lambda number: progress.update(task, advance=number)


@contextmanager
def done_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, when that is a terminal; yields the function that is told (things done, things in all)."""
    with _bar(_counting(what), None) as (progress, task):
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _counting(what: str) -> tuple[ProgressColumn, ...]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@contextmanager
def _bar(columns: tuple[ProgressColumn, ...], total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    from rich.console import Console
    from rich.progress import Progress

    hidden = not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=hidden, transient=True) as progress:
        yield progress, progress.add_task("", total=total)


@contextmanager
def one_line_errors(debug: bool, stopped: str = "stopped") -> Iterator[None]:
    """Turn whatever goes wrong inside into one line on stderr and an exit code. stopped: what Ctrl-C is answered."""
    try:
        yield
    except KeyboardInterrupt:
        complain(stopped)
        raise typer.Exit(STOPPED) from None
    except BrokenPipeError:
        raise  # typer ends quietly when the reader of a pipe has gone
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if debug:
            raise
        code = _exit_code(error)
        text = one_line(str(error))
        complain(text if code != BUG else f"{type(error).__name__}: {text}; this is a bug: --debug shows where")
        raise typer.Exit(code) from None


def _exit_code(error: Exception) -> int:
    """What each kind of error is to a script; the first kind that fits counts."""
    from shards.frozen import ConfigError
    from shards.indexer import PatternError
    from shards.source import AddressError
    from shards.target import WriteError

    if isinstance(
        error,
        UsageError | ConfigError | PatternError | WrongPlace | WriteError | AddressError | MissingFile | AccessDenied,
    ):
        return WRONG_USAGE
    # errors of ours are about data, machines and programs of users; a broken account is our own
    return PROBLEMS if isinstance(error, PrintableError) and not isinstance(error, AssertionError) else BUG
