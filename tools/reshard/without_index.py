"""Plain tars: a dataset whose index is taken away once it is finished, and the mark that says what it was made of.

Promises: the mark is written before the first file goes, so that a run that was killed in between goes on, and one that
is finished has nothing to do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shards.base import DatasetError, MissingFile, load_json
from shards.dataset import DATASET_FILE, INDEX_FILE, SHARDS_FILE, open_target
from shards.storage import open_source

MARK_FILE = "reshard.json"
_OF_ONE_RUN = ("out", "seconds", "num_resumed", "finished_before")
"""Fields of a report that tell where and how a run went, and not what came out."""


def finished(out: str, provenance: Mapping[str, Any]) -> dict[str, Any] | None:
    """The report in the mark of a finished run at `out`; None if there is none. Raises DatasetError for one of another
    run."""
    try:
        source = open_source(out)
        if MARK_FILE not in source.list():
            return None
        said = load_json(source.read(MARK_FILE))
    except MissingFile:
        return None
    except ValueError as error:
        raise DatasetError(
            f"{out}/{MARK_FILE}: not valid json ({error}); delete it and the tars, start over"
        ) from error
    if not isinstance(said, dict) or said.get("provenance") != json.loads(json.dumps(provenance)):
        raise DatasetError(
            f"{out}: holds tars that were made of other inputs or with other options ({MARK_FILE}); choose another "
            "place, or delete them to make them again"
        )
    report = said.get("report")
    return report if isinstance(report, dict) else {}


def take_index_away(out: str, provenance: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """Write the mark, and remove the files of the index; those that are gone already do not matter."""
    target = open_target(out)
    try:
        there = set(target.list())
        if MARK_FILE not in there:
            counts = {name: value for name, value in report.items() if name not in _OF_ONE_RUN}
            said = {"provenance": dict(provenance), "report": counts}
            target.put(MARK_FILE, (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode())
        for name in (INDEX_FILE, SHARDS_FILE, DATASET_FILE):
            if name in there:
                target.drop(name)
        target.clear()
    finally:
        target.release()
