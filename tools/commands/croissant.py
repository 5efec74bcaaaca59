"""`python -m tools croissant DATASET`: Croissant metadata for datasets that an index or an older build made."""

from __future__ import annotations

import typer

from shards.base import say
from shards.cli import DEBUG_OPTION, ROOTS_OPTION, one_line_errors, open_dataset


def croissant(
    path: str = typer.Argument(metavar="DATASET", help="Folder or URL of a dataset."),
    root: list[str] | None = ROOTS_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Write croissant.json beside dataset.json: name, licence, files and record sets as search engines read them.

    `build` does so at its end; this is for indexes of existing tars, and after a licence was added.

    \b
    Example:
      python -m tools croissant data/webvid/train
    """
    with one_line_errors(debug):
        dataset = open_dataset(path, "stats", root)
        from tools.trust.croissant import write_croissant

        say(write_croissant(dataset.address, dataset.roots))
