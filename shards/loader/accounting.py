"""Accounting: what became of the elements of one rank, and the identities that must hold."""

from __future__ import annotations

from dataclasses import dataclass

from shards.base.errors import AccountingError
from shards.loader.stages.batch import Batch
from shards.order.plan import Plan


@dataclass(frozen=True, slots=True)
class Accounting:
    """Elements of one rank since its loader was made, by what became of them.

    Training: planned = delivered + failed, and failed = substituted. Evaluation: planned = delivered + failed, nothing
    substituted; padding is outside both.
    """

    planned: int = 0
    delivered: int = 0
    """Planned elements that were handed over themselves."""
    failed: int = 0
    """Planned elements that could not be used."""
    substituted: int = 0
    """Failed elements in whose place another one was handed over."""
    failed_attempts: int = 0
    """Failures in all, those of substitutes included; the failure budget counts these."""
    padded: int = 0

    @classmethod
    def of_batch(cls, plan: Plan, batch: Batch, training: bool) -> Accounting:
        """The accounts of one planned batch. Raises AccountingError."""
        failed = sum(map(bool, batch.slot_failures))
        counts = cls(
            planned=len(plan) - plan.num_padding,
            delivered=int(batch.valid.sum()) - (failed if training else 0),
            failed=failed,
            substituted=failed if training else 0,
            failed_attempts=len(batch.failures),
            padded=plan.num_padding,
        )
        counts.check(training)
        return counts

    @property
    def tried(self) -> int:
        """Elements that were fetched or known to be bad: the planned ones, and one more for each substitute tried."""
        return self.delivered + self.substituted + self.failed_attempts

    def __add__(self, other: Accounting) -> Accounting:
        return Accounting(*(getattr(self, f) + getattr(other, f) for f in self.__slots__))

    def __sub__(self, other: Accounting) -> Accounting:
        return Accounting(*(getattr(self, f) - getattr(other, f) for f in self.__slots__))

    def check(self, training: bool) -> None:
        """Raise AccountingError unless the identity of the mode holds."""
        wanted = self.failed if training else 0
        if self.planned != self.delivered + self.failed or self.substituted != wanted:
            raise AccountingError(
                f"planned {self.planned} must equal delivered {self.delivered} + failed {self.failed}, "
                f"and substituted {self.substituted} must equal {wanted}"
            )
