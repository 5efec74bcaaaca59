"""The report of a conversion (build, transcode, export, index): what came in, and what became of it.

Promises: rows in = samples + quarantined, checked against what the files hold. What earlier, killed runs of the same
conversion had done is part of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from shards.base.errors import ConversionError

NUM_EXAMPLES = 20
"""Quarantined rows and dropped records that a report quotes; all of them stand in the dataset."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The accounts of a conversion; num_rows = num_samples + num_quarantined."""

    name: str
    out: str
    num_rows: int = 0
    num_resumed: int = 0
    """Rows among num_rows that an earlier run had dealt with."""
    num_samples: int = 0
    num_records: int = 0
    """-1: not known (tars that were indexed by their headers)."""
    num_quarantined: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    """Rows by kind of reason, the commonest first; of an index the commonest kinds, each by its first reason."""
    examples: list[str] = field(default_factory=list)
    """Quarantined rows that are quoted."""
    num_shards: int = 0
    bytes: int = 0
    """Bytes of the files that hold the samples."""
    seconds: float = 0.0
    finished_before: bool = False
    """The same conversion had been finished: nothing was done."""

    def to_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def refuse(self, kind: str, example: str) -> None:
        """Count a row that gives no sample. example: how it is quoted; empty for what is not worth it."""
        self.num_quarantined += 1
        self.quarantined[kind] = self.quarantined.get(kind, 0) + 1
        if example and len(self.examples) < NUM_EXAMPLES:
            self.examples.append(example)

    def check_usable(self, source: str) -> None:
        """Raise ConversionError where every row of the source was refused."""
        if self.num_rows == self.num_quarantined:
            first = " | ".join(self.examples[:3])
            raise ConversionError(
                f"{source}: none of its {self.num_rows} rows gave a sample, so nothing is written; the first: {first}"
            )

    def check(self, found: dict[str, int]) -> None:
        """Compare num_rows with the counts of others, each named. Raises ConversionError."""
        if any(count != self.num_rows for count in found.values()):
            counts = ", ".join(f"{name} {count}" for name, count in found.items())
            raise ConversionError(
                f"{self.out}: the accounts do not add up: {self.num_rows} rows came in, {counts}; do not use what is "
                "there, report a bug"
            )
