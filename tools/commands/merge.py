"""`python -m tools merge OUT`: join the parts of a build; tools/building/merge.py does the work."""

from __future__ import annotations

import typer

from shards.cli import DEBUG_OPTION, JSON_OPTION, one_line_errors
from tools.cli.summary import finish

_STOPPED = "stopped; the same command goes on"


def merge(
    out: str = typer.Argument(metavar="OUT", help="Folder or URL prefix that `build --shard I/N --out` was given."),
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Join the parts that `build --shard I/N` made into one dataset. No tar is rewritten.

    \b
    Example:
      python -m tools build webvid ... --out data/webvid --shard 1/2
      python -m tools build webvid ... --out data/webvid --shard 2/2
      python -m tools merge data/webvid

    All parts have to be there, finished, and made by the same command; no key may stand in two of them. Tars are
    renamed (in a store: copied inside the store, one copy and one deletion for each, no bytes come here). A merge that
    was killed goes on when the same command is given again.

    \b
    Exit codes: 0 done, 1 parts do not belong together or an error, 2 parts are missing or not finished, 3 a bug.
    """
    with one_line_errors(debug, _STOPPED):
        from tools.building.merge import merge_parts
        from tools.trust.croissant import write_croissant

        report = merge_parts(out)
        write_croissant(out)
    finish(report, as_json, source="parts", quarantine=f"{report.out}/quarantine.jsonl", max_quarantined=None)
