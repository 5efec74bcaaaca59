"""Print results on stdout: one JSON object, or tables that look alike in every command.

Promises: nothing from data reaches a terminal as an escape sequence or as markup; a table in a pipe keeps its columns.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shards.base.printing import cell, say_json
from shards.base.safe_text import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

_WIDTH_OF_A_PIPE = 160
"""Columns of a table that is not shown on a terminal."""
_EXAMPLES_SHOWN = 5


def emit(data: Mapping[str, Any], as_json: bool, table: RenderableType) -> None:
    """Print the result: data as one JSON object, or the table."""
    if as_json:
        say_json(data)
    else:
        console().print(table)


def console() -> Console:
    """The console of stdout; wide when it is a pipe, so that tables keep their columns."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE, highlight=False)


def facts_table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values."""
    from rich.table import Table

    table = Table(title=cell(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def print_examples(heading: str, examples: Sequence[str], count: int) -> None:
    """Print the first of `count` examples, and how many more there are; print nothing if there is none."""
    from rich.text import Text

    if examples:
        shown = examples[:_EXAMPLES_SHOWN]
        more = f"\n  ... and {count - len(shown):,} more" if count > len(shown) else ""
        lines = "".join(f"\n  {printable(example)}" for example in shown)
        console().print(Text(f"{heading}:{lines}{more}"), soft_wrap=True)
