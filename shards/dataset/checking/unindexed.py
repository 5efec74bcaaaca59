"""Tars that lie in the folder of a dataset and are not in its index: left out, new, or left behind.

Promises: what `shards index` would look at is named, each with the reason that the index gives, if it gives one; of
tars that its pattern does not name nothing is said.
Gives up: stores that cannot list a folder (most web servers).
"""

from __future__ import annotations

from collections.abc import Sequence

from shards.base.errors import SourceError
from shards.dataset.checking.problems import Problem
from shards.dataset.index.index import Index
from shards.dataset.tars.pattern import ALL_TARS, all_names, names_of, tars_among


def unindexed_tars(index: Index) -> list[Problem]:
    """A problem for each tar beside the shards that is no shard of the dataset."""
    provenance = index.dataset.get("provenance")
    provenance = provenance if isinstance(provenance, dict) else {}
    left_out = provenance.get("left_out")
    reasons: dict[str, object] = dict(left_out) if isinstance(left_out, dict) else {}
    try:
        there = all_names(index.shard_source)
    except SourceError:
        there = []  # every shard was read by its name; what lies beside cannot be known
    known = set(index.shards.names)
    for name in _named(provenance.get("pattern"), there):
        if name not in known and ascii(name) not in reasons:  # the key of a name that cannot stand in an index
            reasons.setdefault(name, "it is new, or was left behind; python -m shards index looks at it")
    return [
        Problem(name, None, "folder", "every tar in the index", f"one that is not: {reason}")
        for name, reason in sorted(reasons.items())
        if name not in known
    ]


def _named(pattern: object, there: Sequence[str]) -> list[str]:
    """The tars of a folder that a pattern names, as far as one is known."""
    wanted = names_of(pattern) if isinstance(pattern, str) else [ALL_TARS]
    return sorted({name for one in wanted for name in tars_among(there, one)})
