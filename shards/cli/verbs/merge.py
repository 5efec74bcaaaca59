"""`python -m shards merge`: join indexes of parts of one dataset that were made on several machines."""

from __future__ import annotations

import typer

from shards.cli.exit_codes import one_line_errors
from shards.cli.options import DEBUG_OPTION, JSON_OPTION, ROOTS_OPTION
from shards.cli.verbs.index import show
from shards.cli.verbs.open_dataset import open_dataset, warn_of_missing_facts


def merge(
    out: str = typer.Argument(metavar="OUT", help="Folder or URL for the whole index."),
    parts: list[str] | None = typer.Argument(
        None, metavar="[IN...]", help="Folders or URLs of the parts.  [default: those of index --shard below OUT]"
    ),
    name: str | None = typer.Option(None, help="Name of the dataset.  [default: that of the first part]"),
    root: list[str] | None = ROOTS_OPTION,
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Join indexes of parts of one dataset. No tar is read.

    Of the parts that `index --shard I/N` made, all N have to be there.

    \b
    Examples:
      python -m shards merge data/cc12m
      python -m shards merge data/cc12m data/part1 data/part2

    \b
    Exit codes: 0 fine, 1 a part is damaged or left tars out, or parts disagree about a shard, 2 wrong usage (a part
    that is not there, or parts that do not belong together).
    """
    from shards.dataset.indexing.merge import merge as join

    with one_line_errors(debug):
        report = join(out, parts or (), name, root or ())
        warn_of_missing_facts(open_dataset(out, "stats", root).index)
        show(report, as_json)
