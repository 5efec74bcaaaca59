"""What `duplicates` and `leaks` share: options, and the lines about what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from tools.duplicates.find import Found

HASHES_OPTION: Any = typer.Option(None, metavar="FOLDER", help="Folder of the hashes.  [default: OUT/hashes]")
SHOWN_OPTION: Any = typer.Option(500, "--shown", min=0, help="Pairs on the pages, the least clear ones first.")
JOBS_OPTION: Any = typer.Option(None, min=1, help="Processes that decode.  [default: the CPU cores]")
FAIL_OPTION: Any = typer.Option(False, "--fail", help="Exit with 1 if a pair was found.")


def found_rows(found: Found) -> list[tuple[str, str]]:
    """The lines of a table about datasets, pairs, and what was not compared."""
    rows = [(f"samples of {name}", f"{count:,}") for name, count in found.datasets.items()]
    rows += [(f"not compared, {stage}", f"{count:,}") for stage, count in found.not_looked_at.items()]
    rows += [(f"pairs, {kind}", f"{count:,}") for kind, count in found.pairs.items()]
    if len(found.between) > 1:
        rows += [
            (f"  {both}, {kind}", f"{count:,}")
            for both, kinds in found.between.items()
            for kind, count in kinds.items()
        ]
    left = {
        "hashes": "hashes that too many frames share",
        "lookups": "lookups cut short",
        "candidates": "candidates left out",
    }
    return rows + [(left[name], f"{count:,}") for name, count in found.bounded.items() if count]
