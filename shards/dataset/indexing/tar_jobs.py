"""Read many tars, in this process or in several, which end with the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache

from shards.base.engines import processes
from shards.base.errors import PrintableError, ProcessDied
from shards.dataset.indexing.tar_record import TarTask
from shards.storage.open import open_source
from shards.storage.source import Source


class DamagedShard(PrintableError, ValueError):
    """A tar that cannot be indexed, in a run that stops then: `strict`, no other tar, or a process that died."""


def run_tasks(tasks: Sequence[TarTask], jobs: int, source: Source) -> Iterator[tuple[TarTask, str | None]]:
    """Write the records of tars; yields (task, reason or None) in the order in which they are done.

    source: of the tars, for tasks of this process. Raises DamagedShard if a process dies.
    """
    if jobs <= 1:
        yield from ((task, task.write_record(source)) for task in tasks)
        return
    try:
        with closing(processes(jobs)(_write_record_in_child, tasks)) as results:
            yield from results
    except ProcessDied as error:
        names = ", ".join(sorted(task.name for task in error.items))
        raise DamagedShard(f"{error} while it read one of {names}; run it again with --jobs 1 to see which") from error


@lru_cache(maxsize=1)
def _source_of_child(root: str, roots: tuple[str, ...]) -> Source:
    """One source for all tasks of a process: making the client of a store takes a while."""
    return open_source(root, roots)


def _write_record_in_child(task: TarTask) -> tuple[TarTask, str | None]:
    return task, task.write_record(_source_of_child(task.root, task.roots))
