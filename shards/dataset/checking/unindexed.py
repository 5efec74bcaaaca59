"""Tars in the folder of a dataset that are not in its index: left out, new, or forgotten.

Promises: every tar that `shards index` would read is named, with the reason that the index gives, if it gives one;
tars that the pattern of the index does not mean are not named.
Gives up: stores that cannot list a folder (most web servers).
"""

from __future__ import annotations

from shards.base.errors import SourceError
from shards.dataset.checking.problems import Problem
from shards.dataset.index.index import Index
from shards.dataset.tars.pattern import tars_beside


def unindexed_tars(index: Index) -> list[Problem]:
    """A problem for each tar beside the shards that is no shard of the dataset."""
    provenance = index.dataset.get("provenance")
    provenance = provenance if isinstance(provenance, dict) else {}
    left_out, pattern = provenance.get("left_out"), provenance.get("pattern")
    reasons: dict[str, object] = dict(left_out) if isinstance(left_out, dict) else {}
    try:
        there = tars_beside(index.shard_source, pattern if isinstance(pattern, str) else None)
    except SourceError:
        there = []  # a store that cannot list: every shard was read by its name, the others cannot be known
    known = set(index.shards.names)
    for name in there:
        # Names that are not UTF-8 are among the left out tars in their ascii form.
        if name not in known and ascii(name) not in reasons:
            reasons.setdefault(name, "it is new, or was left behind; python -m shards index looks at it")
    return [
        Problem(name, None, "folder", "every tar in the index", f"one that is not: {reason}")
        for name, reason in sorted(reasons.items())
        if name not in known
    ]
