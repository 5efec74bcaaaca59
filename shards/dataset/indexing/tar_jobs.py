"""Read many tars: in this process, in several that end with the run, or on other machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache

from shards.base.engines import Engine
from shards.base.errors import PrintableError, ProcessDied
from shards.dataset.indexing.tar_record import TarTask
from shards.storage.open import open_source
from shards.storage.source import Source


class DamagedShard(PrintableError, ValueError):
    """A tar that cannot be indexed, in a run that stops then: `strict`, no other tar, or a process that died."""


def run_tasks(tasks: Sequence[TarTask], engine: Engine | None, source: Source) -> Iterator[tuple[TarTask, bytes | str]]:
    """Make the records of tars; yields (task, record, or the reason why there is none) in the order in which they are
    done.

    engine: where tars are read, None: in this process, with `source`. Raises DamagedShard if a process dies.
    """
    if engine is None:
        yield from ((task, task.record(source)) for task in tasks)
        return
    try:
        with closing(engine(_record_elsewhere, tasks)) as results:
            yield from results
    except ProcessDied as error:
        names = ", ".join(sorted(task.name for task in error.items))
        raise DamagedShard(f"{error} while it read one of {names}; run it again with --jobs 1 to see which") from error


@lru_cache(maxsize=1)
def _source_of_child(root: str, roots: tuple[str, ...]) -> Source:
    """One source for all tasks of a process: making the client of a store takes a while."""
    return open_source(root, roots)


def _record_elsewhere(task: TarTask) -> tuple[TarTask, bytes | str]:
    return task, task.record(_source_of_child(task.root, task.roots))
