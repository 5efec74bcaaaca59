"""The account of a conversion: what became of every key of a released checkpoint.

Each key of the source ends as used, dropped (with the reason) or unexpected; each weight of our model that nothing
gives ends as missing, with the reason where that is right (the source has no such part, or the family never had it).
What is unexpected, or missing without a reason, stops a strict conversion.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from mcg.convert.rules import ConvertError, Family

Status = Literal["used", "dropped", "missing", "unexpected"]


@dataclass(frozen=True)
class Entry:
    """One line of the account. key: theirs, or ours where it is missing; shape as it came; ours: names it became."""

    key: str
    status: Status
    shape: tuple[int, ...]
    ours: tuple[str, ...] = ()
    note: str = ""

    @property
    def is_fault(self) -> bool:
        """True if it stops a strict conversion."""
        return self.status == "unexpected" or (self.status == "missing" and not self.note)


@dataclass(frozen=True)
class Conversion:
    """A finished conversion. state: the weights that the source gave or a rule fills, by our names; config: the model
    that they are for."""

    family: Family
    config: Any
    state: dict[str, Tensor]
    entries: tuple[Entry, ...]

    def counts(self) -> dict[str, int]:
        """Number of keys by status."""
        found = Counter(entry.status for entry in self.entries)
        return {status: found[status] for status in ("used", "dropped", "missing", "unexpected")}

    def noting(self, beside: Mapping[str, str]) -> Conversion:
        """The same with entries for what lay beside the weights (name -> kind): it is dropped."""
        noted = (Entry(key, "dropped", (), note=f"no weight: {kind}") for key, kind in beside.items())
        return dataclasses.replace(self, entries=(*self.entries, *noted))

    def check(self, where: str) -> None:
        """Raise ConvertError if a key is unexpected or missing without a reason."""
        faults = [entry for entry in self.entries if entry.is_fault]
        if faults:
            told = "; ".join(f"{entry.key} is {entry.status}" for entry in faults[:3])
            more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
            raise ConvertError(
                f"{where}: read as {self.family.title}, {len(faults)} keys are not accounted for: {told}{more}. Name "
                "another kind, or be lenient (--lenient, lenient: true) to go on without them"
            )


def summary(conversion: Conversion) -> dict[str, Any]:
    """The account as plain data: counts, and every key."""
    return {
        "kind": conversion.family.name,
        "counts": conversion.counts(),
        "keys": [
            {"key": e.key, "status": e.status, "shape": list(e.shape), "ours": list(e.ours), "note": e.note}
            for e in conversion.entries
        ],
    }
