"""Which rows of a dataset a build takes: a random subset, the first ones, each medium once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shards.base import Engine
from tools.building.duplicates import merge_equal_media
from tools.building.subset import Subset
from tools.rows import BadRow, Row


@dataclass(frozen=True, slots=True)
class Choice:
    """Of the subset the first `limit` rows, of these each medium once."""

    subset: Subset | None = None
    limit: int | None = None
    deduplicate: bool = False

    def rows(
        self, make_rows: Callable[[], Iterable[Row | BadRow]], dataset: str, engine: Engine | None
    ) -> tuple[Iterator[Row | BadRow], int]:
        """(the rows, about how many; 0: not known). engine: where duplicates are looked for,
        which reads media; None: they are left as they are."""
        about = 0

        def chosen() -> Iterator[Row | BadRow]:
            nonlocal about
            if self.subset is not None:
                rows = self.subset.rows(make_rows, dataset)
            else:
                made = make_rows()
                about, rows = operator.length_hint(made, 0), iter(made)
            return rows if self.limit is None else islice(rows, self.limit)

        if self.deduplicate and engine is not None:
            return merge_equal_media(chosen, engine)
        rows = chosen()
        if self.subset is not None:
            about = self.subset.number or 0
        if self.limit is not None:
            about = min(self.limit, about or self.limit)
        return rows, about

    def provenance(self) -> dict[str, Any]:
        """Its choices beside the limit that differ from the usual ones."""
        return {
            **({"sample": self.subset.text} if self.subset is not None else {}),
            **({"deduplicate": True} if self.deduplicate else {}),
        }
