"""The report of a run of the indexer, or of a merge of indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shards.dataset.index.shard_table import total_records
from shards.dataset.indexing.publish import Header, Piece
from shards.dataset.report import Report
from shards.dataset.tars.reasons import Reasons


@dataclass(slots=True, kw_only=True)
class IndexReport(Report):
    """Counts of a run; rows are the samples in the tars that are indexed."""

    root: str
    """Folder or URL of the tars."""
    num_scanned: int = 0
    """Shards that this run read; the others were known."""
    num_gone: int = 0
    """Shards of the earlier index that no longer exist."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Tar -> reason why it was left out."""
    notes: dict[str, int] = field(default_factory=dict)
    """Remark -> number of samples that it holds for, in the shards that were read."""
    found: str = ""
    """Other use of the folder, as that it is an Energon dataset."""

    @classmethod
    def of(
        cls,
        header: Header,
        out: str,
        root: str,
        pieces: Sequence[Piece],
        num_scanned: int,
        damaged: Mapping[str, str],
        num_gone: int,
        reasons: Reasons,
    ) -> IndexReport:
        """The report of a run that wrote an index of these pieces."""
        notes: Counter[str] = Counter()
        for piece in pieces:
            notes.update(piece.notes)
        samples = sum(piece.entry.num_samples for piece in pieces)
        quarantined = sum(piece.num_quarantined for piece in pieces)
        top = reasons.top()
        return cls(
            name=header.name,
            out=out,
            root=root,
            num_shards=len(pieces),
            num_scanned=num_scanned,
            num_gone=num_gone,
            num_rows=samples + quarantined,
            num_samples=samples,
            num_records=total_records([piece.entry.num_elements for piece in pieces]),
            num_quarantined=quarantined,
            quarantined={first["reason"]: first["count"] for first in top},
            examples=[_place(first) + first["reason"] for first in top],
            bytes=sum(piece.entry.bytes for piece in pieces),
            damaged=dict(damaged),
            notes=dict(notes.most_common()),
        )

    @property
    def share_quarantined(self) -> float:
        """Share of all samples, 0 to 1."""
        return self.num_quarantined / max(1, self.num_rows)


def _place(first: Mapping[str, Any]) -> str:
    """Place of the first sample with a reason: "SHARD: " or "SHARD:MEMBER: "."""
    return f"{first['shard']}: " if first["member"] is None else f"{first['shard']}:{first['member']}: "
