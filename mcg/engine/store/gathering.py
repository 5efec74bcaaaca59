"""How ranks tell each other, through the folder of a checkpoint that is being written, what each has written.

Every rank but the first leaves a file .rank-NNNNN there, whole by renaming, with the facts of its files or with what
went wrong; the first rank waits for all of them. So writing needs no communication between ranks, which are training.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from mcg.engine.store.integrity import FileFacts, from_json, to_json

_POLL_SECONDS = 0.02


def report(folder: Path, rank: int, files: Mapping[str, FileFacts], problem: str | None) -> None:
    """Leave the report of a rank. On a full disk it is an empty file, which says as much. Raises OSError."""
    mark, aside = folder / f".rank-{rank:05d}", folder / f".rank-{rank:05d}.aside"
    try:
        aside.write_text(json.dumps({"files": to_json(files), "problem": problem}))
    except OSError:
        aside.write_bytes(b"")
    os.replace(aside, mark)


def collect(folder: Path, world_size: int) -> tuple[dict[str, FileFacts], list[str]]:
    """Wait for the reports of ranks 1 and up; their files, and what went wrong. The reports are removed."""
    files: dict[str, FileFacts] = {}
    problems: list[str] = []
    for rank in range(1, world_size):
        mark = folder / f".rank-{rank:05d}"
        while not mark.exists():
            time.sleep(_POLL_SECONDS)
        text = mark.read_text()
        if text:
            told = json.loads(text)
            files |= from_json(told["files"])
            problems += [] if told["problem"] is None else [str(told["problem"])]
        else:
            problems.append(f"rank {rank} could not write")
        mark.unlink()
    return files, problems
