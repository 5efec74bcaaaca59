"""Quarantine: the record of elements that could not be used, and how many of them a run tolerates.

Promises: the ledger never changes the order. It may say that an element is known to be bad, so that it is not fetched
again, only for failures that do not depend on a draw (`lasting`) and that this process met itself: every process tries
every element once, so a shard that was repaired is used from the next start on, whatever earlier ledgers say of it.
The budget counts what was handed to the consumer, so a run stops at the same batch whatever was prefetched. Both are
per rank and start anew with the process.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shards.base.errors import TooManyFailures
from shards.base.json_text import load_json
from shards.base.printing import logger
from shards.base.safe_text import one_line
from shards.read.sample import Origin

_logger = logger(__name__)
_NUM_LAST = 5
_LONGEST = 1000
"""Characters of a failure in a message."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One element that could not be used, and why."""

    origin: Origin
    reason: str
    row: int = -1
    """Number of the element inside its shard."""
    stage: str = "read"
    """"read", "encode" or "decode"."""
    lasting: bool = False
    """True when it would fail in every pass: nothing random was involved."""
    timed_out: bool = False
    """True when decoding was given up for its time. The machine may be to blame, so no exclusion follows from it."""

    def __str__(self) -> str:
        return one_line(f"{self.origin}: {self.reason}", _LONGEST)


@dataclass(frozen=True, slots=True)
class _Filed:
    """All calls of `Ledger.file` so far: one object, so that an interrupt leaves all of it or nothing."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Failures by dataset and stage, without those of the last call."""
    last: tuple[Failure, ...] = ()
    """The last few failures, without those of the last call."""
    batch: int | None = None
    failures: tuple[Failure, ...] = ()
    """Failures of the last call; `batch` is the batch they belong to."""
    offset: int = 0
    """The end of the file before the last call."""

    def all_last(self) -> tuple[Failure, ...]:
        return (*self.last, *self.failures)[-_NUM_LAST:]

    def all_counts(self) -> Counter[tuple[str, str]]:
        return self.counts + Counter((failure.origin.dataset, failure.stage) for failure in self.failures)


class Ledger:
    """Failures of one rank, in memory and, with a path, appended to a JSON-lines file that outlives the process."""

    def __init__(self, path: Path | None = None, fingerprints: Mapping[str, str] | None = None) -> None:
        """fingerprints: dataset name -> fingerprint; failures that the file has under it are not filed twice."""
        self.path = path
        self._fingerprints = dict(fingerprints or {})
        self._known: dict[tuple[str, str, int], Failure] = {}
        self._lasting: set[tuple[Origin, int]] = set()
        """Failures in the file, without those of the last call."""
        self._filed = _Filed()
        self._lock = threading.Lock()
        if path is not None and path.exists():
            self._read(path)

    @property
    def last(self) -> tuple[Failure, ...]:
        """The last few that came to `file`."""
        return self._filed.all_last()

    @property
    def knows_any(self) -> bool:
        """True if this process met a lasting failure."""
        return bool(self._known)

    def known(self, dataset: str, shard: str, row: int) -> Failure | None:
        """The lasting failure of this element that this process met, if there is one."""
        return self._known.get((dataset, shard, row))

    def remember(self, failure: Failure) -> None:
        """Let later attempts at this element be skipped; files nothing. May be called from any thread."""
        if failure.lasting:
            with self._lock:
                self._known.setdefault((failure.origin.dataset, failure.origin.shard, failure.row), failure)

    def file(self, failures: Iterable[Failure], batch: int | None = None) -> None:
        """Keep failures for good: append them to the file; a lasting one is filed once.

        batch: its number. Filed once more for the same batch, they take the place of what was filed for it: whoever
        filed them was interrupted before the batch was handed over.
        """
        filed, before = tuple(failures), self._filed
        if batch is None or batch != before.batch:
            self._lasting.update((failure.origin, failure.row) for failure in before.failures if failure.lasting)
            offset = self.path.stat().st_size if self.path is not None and self.path.exists() else 0
            before = _Filed(before.all_counts(), before.all_last(), batch, (), offset)
        lines, lasting = [], set[tuple[Origin, int]]()
        for failure in filed:
            element = (failure.origin, failure.row)
            if failure.lasting and (element in self._lasting or element in lasting):
                continue
            if failure.lasting:
                lasting.add(element)
            lines.append(json.dumps(self._entry(failure)) + "\n")
        self._filed = replace(before, failures=filed)
        if self.path is not None and (lines or self.path.exists()):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            left = "".join(lines).encode("ascii")
            with self.path.open("ab", buffering=0) as file:  # nothing is left that might be written later
                file.truncate(before.offset)  # drops what an interrupted call wrote for the same batch
                while left:
                    left = left[file.write(left) :]

    def counts(self, num_batches: int | None = None) -> dict[str, dict[str, int]]:
        """Dataset -> stage -> failures that came to `file` in this process, the repeated ones included.

        num_batches: without those of a batch from this number on, which was not handed over.
        """
        filed = self._filed
        is_in = filed.batch is None or num_batches is None or filed.batch < num_batches
        counts: dict[str, dict[str, int]] = {}
        for (dataset, stage), count in sorted((filed.all_counts() if is_in else filed.counts).items()):
            counts.setdefault(dataset, {})[stage] = count
        return counts

    def exhausted(self, failures: Sequence[Failure]) -> TooManyFailures:
        """The error for a planned element that failed together with all its substitutes."""
        reasons = dict.fromkeys(f"  {failure}" for failure in failures)
        return TooManyFailures(
            f"{failures[0].origin}: this element and its {len(failures) - 1} substitutes, all from around one place of "
            "the order, could not be used; take the bad samples out of the dataset, or start anew with a larger "
            f"window; all failures are in {_where(self)}; here:",
            *reasons,
        )

    def _entry(self, failure: Failure) -> dict[str, Any]:
        origin = failure.origin
        return {
            "dataset": origin.dataset,
            "shard": origin.shard,
            "key": origin.key,
            "row": failure.row,
            "stage": failure.stage,
            "lasting": failure.lasting,
            "reason": failure.reason,
            "fingerprint": self._fingerprints.get(origin.dataset, ""),
            **({"timed_out": True} if failure.timed_out else {}),
        }

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            _logger.warning("%s: dropped a half-written last line (%d bytes)", path, len(data) - whole)
            with path.open("r+b") as file:
                file.truncate(whole)
        for number, line in enumerate(data[:whole].split(b"\n")[:-1], start=1):
            try:
                entry = load_json(line)
                origin = Origin(str(entry["dataset"]), str(entry["shard"]), str(entry["key"]))
                row, lasting, fingerprint = int(entry["row"]), bool(entry["lasting"]), entry["fingerprint"]
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(
                    f"{path}, line {number}: not a ledger entry ({error!r}); move the file away"
                ) from error
            if lasting and self._fingerprints.get(origin.dataset) == fingerprint:
                self._lasting.add((origin, row))


@dataclass(frozen=True, slots=True)
class FailureBudget:
    """Limits on the failures of a rank: a count at any time, a rate once enough elements were tried."""

    max_count: int | None = None
    max_rate: float | None = None
    probation: int = 1000

    def check(self, failed: int, tried: int, ledger: Ledger) -> None:
        """Raise TooManyFailures when `failed` of `tried` elements are more than allowed."""
        if self.max_count is not None and failed > self.max_count:
            raise TooManyFailures(*_message(failed, tried, f"max_failures {self.max_count}", ledger))
        if self.max_rate is not None and tried >= self.probation and failed > self.max_rate * tried:
            raise TooManyFailures(*_message(failed, tried, f"max_failure_rate {self.max_rate:g}", ledger))


def _message(failed: int, tried: int, limit: str, ledger: Ledger) -> list[str]:
    what = (
        f"{failed} of {tried} elements tried on this rank could not be used, more than {limit} allows; "
        f"look into the data, or raise the limit; all failures are in {_where(ledger)}; the last:"
    )
    return [what, *(f"  {failure}" for failure in ledger.last)]


def _where(ledger: Ledger) -> str:
    return str(ledger.path) if ledger.path is not None else "no file (give the loader a ledger_path to keep them)"
