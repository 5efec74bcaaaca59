"""Tars that are looked at by several processes, which die with the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache

from shards.base.engines import ProcessDied, processes
from shards.base.errors import PrintableError
from shards.dataset.indexing.tar_record import TarTask, write_record
from shards.storage.open import open_source
from shards.storage.source import Source


class DamagedShard(PrintableError, ValueError):
    """A tar that cannot be indexed, in a run that is to stop then."""


def run_tasks(tasks: Sequence[TarTask], jobs: int, source: Source) -> Iterator[tuple[TarTask, str | None]]:
    """(task, problem or None) as they are done. source: of the tars, for this process."""
    if jobs <= 1:
        yield from ((task, write_record(task, source)) for task in tasks)
        return
    try:
        with closing(processes(jobs)(_index_in_child, tasks)) as results:
            yield from results
    except ProcessDied as error:
        names = ", ".join(sorted(task.name for task in error.items))
        raise DamagedShard(f"{error} while it read one of {names}; run it again with --jobs 1 to see which") from error


@lru_cache(maxsize=1)
def _source_of_child(root: str, roots: tuple[str, ...]) -> Source:
    """One for all shards: a client takes a while to make."""
    return open_source(root, roots)


def _index_in_child(task: TarTask) -> tuple[TarTask, str | None]:
    return task, write_record(task, _source_of_child(task.root, task.roots))
