"""The order of eviction: which files of a cache make room first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from shards.cache.file_names import is_unfinished

NextUse = Callable[[str], float]
"""identity -> how far away its next use is, in any unit; infinite: not known."""


def eviction_order(
    names: Iterable[str], next_use: NextUse, last_opened: Callable[[str], int]
) -> Iterator[tuple[str, float]]:
    """(name, distance of its next use), the first to evict first.

    Unfinished files come first: one that can be locked is of no use to anybody. Then shards whose next use is not
    known, the one opened longest ago first; then those whose next use is farthest away (Belady's rule).
    """
    shards = []
    for name in names:
        if is_unfinished(name):
            yield name, math.inf
        else:
            shards.append((next_use(name), name))
    unknown = [name for distance, name in shards if distance == math.inf]
    for name in sorted(unknown, key=last_opened):
        yield name, math.inf
    for distance, name in sorted(shards, reverse=True):
        if distance != math.inf:
            yield name, distance
