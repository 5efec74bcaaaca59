"""What a dataset left out, by reason with examples, from its quarantine.jsonl, which is read piece by piece."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from shards.base import MissingFile, load_json
from shards.cli import Names
from shards.dataset import QUARANTINE_FILE, Index
from tools.rows import REASONS

_PIECE = 1 << 20
_EXAMPLES = 4
_REASONS_SHOWN = 30
_LONGEST_LINE = 1 << 22


class _Reason(NamedTuple):
    """A reason with its rows."""

    kind: str
    num_rows: int
    examples: list[str]


def by_reason(index: Index) -> list[_Reason]:
    """The reasons of the quarantine of a dataset, the commonest first."""
    names, examples = Names(), dict[str, list[str]]()
    for line in read_lines(index):
        reason = str(line.get("reason", ""))
        kind = _kind(reason)
        names.add([kind], [1])
        told = examples.setdefault(kind, []) if len(examples) < 1000 or kind in examples else []
        if len(told) < _EXAMPLES:
            place = _place(line)
            told.append((reason if place in reason else f"{place}: {reason}")[:600])  # a build's say their place
    return [_Reason(kind, count, examples.get(kind, [])) for kind, count in names.to_dict(_REASONS_SHOWN).items()]


def read_lines(index: Index) -> Iterator[dict[str, Any]]:
    """The lines of the quarantine; one that is no object is given as a reason of its own."""
    rest = b""
    offset = 0
    while True:
        try:
            piece = index.source.read(QUARANTINE_FILE, offset, _PIECE)
        except MissingFile:
            return
        offset += len(piece)
        *lines, rest = (rest + piece).split(b"\n")
        if len(piece) < _PIECE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            if line.strip():
                yield _line(line)
        if len(piece) < _PIECE:
            return
        if len(rest) > _LONGEST_LINE:
            yield {"reason": f"{QUARANTINE_FILE}: a line of more than {_LONGEST_LINE} bytes"}
            return


def _line(line: bytes) -> dict[str, Any]:
    try:
        content = load_json(line)
    except ValueError as error:
        return {"reason": f"{QUARANTINE_FILE}: a line that cannot be read ({error})"}
    return content if isinstance(content, dict) else {"reason": f"{QUARANTINE_FILE}: a line that is no object"}


def _kind(reason: str) -> str:
    """A build's reasons begin with their kind; those of an index are alike but for names and numbers."""
    kind = reason.partition(":")[0]
    if kind in REASONS:
        return kind
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", reason)[:100] or "no reason given"


def _place(line: dict[str, Any]) -> str:
    if "record" in line:
        return str(line["record"])
    return ":".join(str(line[name]) for name in ("shard", "key", "member") if line.get(name) is not None)
