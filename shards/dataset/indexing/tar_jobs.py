"""Tars that are looked at by several processes, which die with the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache

from shards.base.errors import PrintableError
from shards.base.processes import process_pool
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
    waiting = iter(tasks)
    running: dict[Future[str | None], TarTask] = {}
    try:
        with process_pool(jobs) as pool:
            while True:
                while len(running) < 2 * jobs and (task := next(waiting, None)) is not None:
                    running[pool.submit(_index_in_child, task)] = task
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running[future], future.result()
                    del running[future]
    except BrokenProcessPool as error:
        names = ", ".join(sorted(task.name for task in running.values()))
        raise DamagedShard(
            f"a process died while it read one of {names} (out of memory, or a medium that crashes its decoder); "
            "run it again with --jobs 1 to see which"
        ) from error


@lru_cache(maxsize=1)
def _source_of_child(root: str, roots: tuple[str, ...]) -> Source:
    """One for all shards: a client takes a while to make."""
    return open_source(root, roots)


def _index_in_child(task: TarTask) -> str | None:
    return write_record(task, _source_of_child(task.root, task.roots))
