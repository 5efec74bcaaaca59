"""The cost of a run of the indexer, known before it starts, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shards.dataset.indexing.tar_record import TarTask
from shards.dataset.tars.tar_samples import PIECE_BYTES
from shards.storage.addresses import is_remote


class Cost(NamedTuple):
    """The cost of the tars that a run has to read."""

    tars: int
    known: int
    """Tars that an earlier run read, and that have not changed since."""
    bytes: int
    """Bytes of the tars to read; where only headers are read, most of them are passed over."""
    requests: int
    """Requests to a store; 0 for local tars, and where only headers are read: their number shows only then."""
    again: str
    """Why tars are read again that an index holds already, with what to do; empty if none is."""

    @classmethod
    def of(cls, tasks: Sequence[TarTask], known: int, again: str) -> Cost:
        """The cost of these tasks."""
        sizes = [task.expected.size for task in tasks]
        streamed = [task for task in tasks if is_remote(task.root) and task.looks.checksums]
        # A tar is asked for in pieces, and its state once before and once after.
        requests = sum(-(-task.expected.size // PIECE_BYTES) + 2 for task in streamed)
        return cls(len(tasks), known, sum(sizes), requests, again)


class Step(NamedTuple):
    """How far a run has come, after each tar."""

    tars: int
    of_tars: int
    bytes: int
    """Bytes of the tars that are done."""
    quarantined: dict[str, int]
    """Samples of this run's tars that are quarantined, by reason."""
    problem: str
    """Why the last tar is left out; empty if it is not."""
