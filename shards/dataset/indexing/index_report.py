"""What a run of the indexer did, in counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from shards.dataset.indexing.publish import Header, Piece
from shards.dataset.tars.reasons import Reasons


@dataclass(slots=True)
class IndexReport:
    """What a run did; num_groups == num_samples + num_quarantined over the shards that are indexed."""

    name: str
    out: str
    root: str
    num_shards: int = 0
    num_scanned: int = 0
    """Of the shards, those that this run looked into; the others were known."""
    num_gone: int = 0
    """Shards of the index before that are not there any more."""
    num_samples: int = 0
    num_records: int = 0
    """-1: not known."""
    num_quarantined: int = 0
    bytes: int = 0
    """Of the shards together."""
    damaged: dict[str, str] = field(default_factory=dict)
    """Shards that were left out, with the reason."""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    """The commonest of the quarantine: count, reason, shard, member (the last three of the first such sample)."""
    notes: dict[str, int] = field(default_factory=dict)
    """What is to be said about how many samples of the shards that were scanned."""
    found: str = ""
    """What the folder is beside a folder of tars."""

    @property
    def share_quarantined(self) -> float:
        """Of all samples, 0 to 1."""
        return self.num_quarantined / max(1, self.num_samples + self.num_quarantined)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def report(
    header: Header,
    out: str,
    root: str,
    pieces: Sequence[Piece],
    num_scanned: int,
    damaged: Mapping[str, str],
    num_gone: int,
    reasons: Reasons,
) -> IndexReport:
    """Counts over the pieces of an index."""
    notes: Counter[str] = Counter()
    for piece in pieces:
        notes.update(piece.notes)
    records = [piece.entry.num_elements for piece in pieces]
    return IndexReport(
        name=header.name,
        out=out,
        root=root,
        num_shards=len(pieces),
        num_scanned=num_scanned,
        num_gone=num_gone,
        num_samples=sum(piece.entry.num_samples for piece in pieces),
        num_records=-1 if -1 in records else sum(records),
        num_quarantined=sum(piece.num_quarantined for piece in pieces),
        bytes=sum(piece.entry.bytes for piece in pieces),
        damaged=dict(damaged),
        reasons=reasons.top(),
        notes=dict(notes.most_common()),
    )
