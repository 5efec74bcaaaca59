"""A random subset of rows, the same whatever the number of workers: `--sample F` or `--sample N`.

A row is in it or not by a number drawn at its own address (its key; the record of a row without one), so more rows in a
file change nothing for the others where a fraction is asked for.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shards.order import rng
from tools.rows import BadRow, OptionError, Row


@dataclass(frozen=True, slots=True)
class Subset:
    """A fraction of the rows, or a number of them."""

    text: str
    """As the user gave it."""
    fraction: float | None
    number: int | None

    @classmethod
    def parse(cls, text: str) -> Subset:
        """The subset that "0.01" or "1000" means. Raises OptionError."""
        if re.fullmatch(r"[0-9]{1,12}", text) and int(text) > 0:
            return cls(text, None, int(text))
        if re.fullmatch(r"0?\.[0-9]{1,12}", text) and float(text) > 0:
            return cls(text, float(text), None)
        raise OptionError(
            f"--sample {text}: give a fraction between 0 and 1 (0.01) or a whole number of rows (1000), without a sign"
        )

    def rows(self, make_rows: Callable[[], Iterable[Row | BadRow]], dataset: str) -> Iterator[Row | BadRow]:
        """The rows of the subset, in their order. For a number of rows they are made twice: first to draw all numbers.

        Memory: 100 bytes for each row that is wanted.
        """
        if self.fraction is not None:
            fraction = self.fraction
            return (row for row in make_rows() if _draw(row, dataset) < fraction)
        assert self.number is not None
        lowest: list[tuple[float, int]] = []  # negated, so that the highest draw is the first of the heap
        for place, row in enumerate(make_rows()):
            entry = (-_draw(row, dataset), -place)
            if len(lowest) < self.number:
                heapq.heappush(lowest, entry)
            else:
                heapq.heappushpop(lowest, entry)
        last = lowest[0] if lowest else (0.0, 0)
        rows = enumerate(make_rows())
        return (row for place, row in rows if (-_draw(row, dataset), -place) >= last)


def _draw(row: Row | BadRow, dataset: str) -> float:
    """A number from 0 to 1."""
    key = row.key if isinstance(row, Row) else ""
    record = "" if key else row.record_id
    return float(rng(0, dataset, 0, record, key, 0, 0, "tools build --sample").random())
