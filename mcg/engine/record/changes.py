"""What changed in a config since a run was last started: told when it goes on, and kept in its log.

A setting that the config of before does not have at all is one of a newer version, and no change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

NOT_TOLD = ("run_dir",)
"""A folder may be moved."""


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """Dotted path -> [value before, value after] of all that differs; None for what one side does not have."""
    old, new = dict(leaves(before)), dict(leaves(after))
    known = {*old, *(path for path in new if any(a in old or a.endswith("]") for a in _ancestors(path)))}
    paths = [*old, *(path for path in new if path not in old)]
    pairs = {path: [old.get(path), new.get(path)] for path in paths if path in known and path not in NOT_TOLD}
    return {path: pair for path, pair in pairs.items() if pair[0] != pair[1]}


def describe(found: dict[str, list[Any]]) -> str:
    """One line: optim.lr 0.001 -> 0.0005, ..."""
    return ", ".join(f"{path} {was!r} -> {now!r}" for path, (was, now) in found.items())


def _ancestors(path: str) -> Iterator[str]:
    """data, data.train, data.train.blend, data.train.blend[1] of data.train.blend[1].name."""
    yield from (path[: end.start()] for end in re.finditer(r"[.\[]", path))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every setting of a config."""
    if isinstance(tree, dict) and tree:
        for name, value in tree.items():
            yield from leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(tree, list | tuple) and any(isinstance(item, dict) for item in tree):
        for number, item in enumerate(tree):
            yield from leaves(item, f"{path}[{number}]")
    else:
        yield path, list(tree) if isinstance(tree, tuple) else tree
