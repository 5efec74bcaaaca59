"""Accounting over ranks: the identities of docs/order.md, checked on what all ranks of a run say about their loaders.

Promises: a lost, doubled or unexplained element raises AccountingError with the rank and the numbers, at the end of
every pass and of the run. Checked are: each rank's own identity (training: planned = delivered + failed, failed =
substituted, no padding; evaluation: planned = delivered + failed, nothing substituted); all ranks stand at the same
cursor, so they have the same data, selection and order, and have taken equal shares; the elements that the blend has
handed out since the start are those that the ranks planned; every failure is in a ledger. Gives up: which element it
was, and anything before this process started. How ranks reach each other is the caller's: `gather` is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from shards.base.errors import AccountingError
from shards.loader.accounting import Accounting

if TYPE_CHECKING:
    from shards.loader.loader import Loader

Report = dict[str, Any]
"""One rank's report to the others: plain numbers and texts."""
Gather = Callable[[list[Any]], list[Any]]
"""This rank's list -> the lists of all ranks, concatenated in rank order, on every rank."""


@dataclass(frozen=True, slots=True)
class _Totals:
    """Accounts of the elements of all ranks together since the accounting began."""

    elements: Accounting
    quarantine: dict[str, dict[str, int]]
    """Failed attempts by dataset and stage."""

    def to_dict(self) -> dict[str, Any]:
        """For json."""
        return {**asdict(self.elements), "quarantine": self.quarantine}


class RunAccounting:
    """Follows one loader per rank, from where it stands now. Every rank makes one and calls it at the same steps.

    An evaluation that is begun again wants another one.
    """

    def __init__(self, loader: Loader, gather: Gather) -> None:
        """Raises AccountingError when the ranks do not start alike, e.g. with other data or other exclusion lists."""
        self._loader = loader
        self._gather = gather
        self._before = _report(loader)
        self._passes = self._whole_passes()
        self.check()

    def check(self) -> _Totals:
        """Compare all ranks now."""
        reports = self._gather([_since(self._before, _report(self._loader))])
        return _check_ranks(reports, self._before["cursor"]["positions"], training=self._loader.config.mode == "train")

    def cursor(self) -> dict[str, Any]:
        """The loaders' cursor, with what any rank has given up for its time; the same on every rank."""
        return self._loader.state_dict(self._gather([list(one) for one in self._loader.given_up]))

    def after_step(self) -> None:
        """Check where a dataset has come to the end of a pass; else talk to nobody."""
        passes = self._whole_passes()
        if passes != self._passes:
            self._passes = passes
            self.check()

    def finish(self) -> _Totals:
        """Check at the end; an evaluation must have planned every element."""
        totals = self.check()
        wanted = self._loader.num_elements - sum(self._before["cursor"]["positions"])
        if self._loader.config.mode == "eval" and totals.elements.planned != wanted:
            raise AccountingError(f"the evaluation has {wanted} elements, the ranks planned {totals.elements.planned}")
        return totals

    def _whole_passes(self) -> list[int]:
        return [passes for passes, _, _ in self._loader.progress().values()]


def _report(loader: Loader) -> Report:
    """This rank's report."""
    return {
        "rank": loader.rank,
        "cursor": loader.state_dict(given_up=()),
        "elements": asdict(loader.stats.accounting),
        "quarantine": loader.quarantined(),
    }


def _since(before: Report, now: Report) -> Report:
    """A report without what was counted before."""
    quarantine = {
        dataset: {stage: count - before["quarantine"].get(dataset, {}).get(stage, 0) for stage, count in stages.items()}
        for dataset, stages in now["quarantine"].items()
    }
    elements = Accounting(**now["elements"]) - Accounting(**before["elements"])
    return {**now, "elements": asdict(elements), "quarantine": quarantine}


def _check_ranks(reports: Sequence[Report], begin: Sequence[int], training: bool) -> _Totals:
    """begin: the datasets' positions where the loaders were when they were new. Raises AccountingError."""
    first = reports[0]
    world_size = first["cursor"]["world_size"]
    if [r["rank"] for r in reports] != list(range(world_size)):
        raise AccountingError(f"ranks {[r['rank'] for r in reports]} reported, expected 0 to {world_size - 1}")
    total, quarantine = Accounting(), dict[str, dict[str, int]]()
    for each in reports:
        elements = Accounting(**each["elements"])
        _check_rank(each, elements, first, training)
        total += elements
        for dataset, stages in each["quarantine"].items():
            for stage, count in stages.items():
                sums = quarantine.setdefault(dataset, {})
                sums[stage] = sums.get(stage, 0) + count
    handed_out = sum(first["cursor"]["positions"]) - sum(begin)
    if total.planned != handed_out:
        raise AccountingError(
            f"the blend handed out {handed_out} elements, the ranks planned {total.planned}: "
            f"{[r['elements']['planned'] for r in reports]}"
        )
    return _Totals(total, quarantine)


def _check_rank(each: Report, elements: Accounting, first: Report, training: bool) -> None:
    rank = f"rank {each['rank']}"
    for name, value in each["cursor"].items():
        if value != first["cursor"].get(name):
            raise AccountingError(
                f"{rank} does not stand where rank 0 stands: {name} is {value!r}, rank 0 has "
                f"{first['cursor'].get(name)!r}; all ranks need the same config, data and exclusion lists"
            )
    try:
        elements.check(training)
    except AccountingError as error:
        raise AccountingError(f"{rank}: {error}") from error
    if training and elements.padded:
        raise AccountingError(f"{rank}: {elements.padded} slots of padding, training has none")
    share, expected = (a["planned"] + a["padded"] for a in (each["elements"], first["elements"]))
    if share != expected:
        raise AccountingError(f"{rank}: took {share} slots, rank 0 took {expected}")
    filed = _sum_of(each["quarantine"])
    if filed != elements.failed_attempts:
        raise AccountingError(f"{rank}: {elements.failed_attempts} attempts failed, its ledger counts {filed}")


def _sum_of(quarantine: Mapping[str, Mapping[str, int]]) -> int:
    return sum(count for stages in quarantine.values() for count in stages.values())
