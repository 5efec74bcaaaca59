"""Configs that older versions stored in checkpoints, as this version reads them.

Parameters have kept their names since the first checkpoints, so weights need no table. Of the config one setting has
moved: `task.vocabulary` became `model.vocabulary`. A config file that still says `task.vocabulary` is refused instead
(mcg/tasks/config.py), for its owner can write the new name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MOVED = ((("task", "vocabulary"), ("model", "vocabulary")),)
"""Old and new place of each setting that has moved: section and name."""


def upgrade(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored config with every setting at its new place. What is written at the new place stands."""
    sections: dict[str, Any] = dict(stored)
    for (old, name), (new, new_name) in _MOVED:
        before, after = sections.get(old), sections.get(new, {})
        if isinstance(before, Mapping) and name in before and isinstance(after, Mapping):
            sections[old] = {key: value for key, value in before.items() if key != name}
            sections[new] = {new_name: before[name], **after}
    return sections
