"""`python -m shards merge`: join indexes of parts of one dataset that were made on several machines."""

from __future__ import annotations

from typing import Annotated

import typer

from shards.commands.index import complaining, show


def merge(
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder or URL for the whole index.")],
    parts: Annotated[list[str], typer.Argument(metavar="IN...", help="Folders or URLs of the parts.")],
    name: Annotated[str | None, typer.Option(help="Name of the dataset; default: that of the first part.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Join indexes of parts of one dataset. No tar is read.

    Example: python -m shards merge /data/cc12m /data/part1 /data/part2
    """
    from shards.merge import merge as join

    with complaining():
        report = join(out, parts, name)
    show(report, as_json)
