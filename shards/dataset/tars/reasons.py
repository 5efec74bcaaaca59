"""Counts of the reasons of a quarantine: which few faults concern many samples.

Promises: reasons that differ only in numbers, quotes or brackets are counted as one; memory is bounded for any data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from shards.base.safe_text import printable

_VARIES = re.compile(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|0x[0-9a-f]+|\d+")
_MOST_KINDS = 1000
_FEW_WORDS = 60
_REMEDY = "correct it or fetch it again, or accept the loss"


class Reasons:
    """Counts of reasons, with the first line of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, dict[str, Any]] = {}

    def add(self, shard: str, line: Mapping[str, Any]) -> None:
        """Count a line of the quarantine."""
        reason = str(line.get("reason", ""))
        kind = _VARIES.sub("*", reason)[:300]
        if kind not in self._first:
            if len(self._first) >= _MOST_KINDS:
                kind = "other reasons"
            self._first.setdefault(kind, {"reason": reason, "shard": shard, "member": line.get("member")})
        self._counts[kind] += 1

    def top(self, most: int = 10) -> list[dict[str, Any]]:
        """The most frequent reasons: {"count", "reason", "shard", "member"}, the last three of the first such line."""
        return [{"count": count, **self._first[kind]} for kind, count in self._counts.most_common(most)]

    def by_kind(self, most: int = 3) -> dict[str, int]:
        """Counts by reasons in a few words, without remedies: the most frequent ones, and all others together."""
        top = self._counts.most_common(most)
        found = {printable(kind.partition(";")[0])[:_FEW_WORDS]: count for kind, count in top}
        rest = self._counts.total() - sum(count for _, count in top)
        return found | ({"other reasons": rest} if rest else {})


def with_remedy(reason: str) -> str:
    """The reason with what can be done about it, if it does not say so already."""
    return reason if ";" in reason else f"{reason}; {_REMEDY}"
