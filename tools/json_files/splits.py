"""Splits that one annotation file holds: {"train": ..., "val": ..., "test": ...}, as VIOLET and LAVENDER write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.rows import AnnotationError, OptionError

_SHORT = {"training": "train", "validation": "val", "validate": "val", "testing": "test"}
ANSWERS = ("vocab", "ans2label", "label2ans")
"""What stands beside the splits of open questions: the answers, which questions name by their numbers."""


def splits_of(value: Any) -> dict[str, list[Any]]:
    """The splits of a file with a list of records for each; empty if it has none."""
    if not isinstance(value, dict):
        return {}
    splits = {name: entries for name, entries in value.items() if name not in ANSWERS}
    are_lists = all(isinstance(entries, list) for entries in splits.values())
    return (
        splits
        if are_lists and not any(entries and isinstance(entries[0], str | list) for entries in splits.values())
        else {}
    )


def answers_of(value: Any) -> dict[int, str]:
    """The answers that stand beside the splits, by number: VIOLET's list "vocab", LAVENDER's {answer: number}."""
    found = next((value[name] for name in ANSWERS if name in value), None) if isinstance(value, dict) else None
    if isinstance(found, list):
        return dict(enumerate(found))
    pairs = found.items() if isinstance(found, dict) else ()
    return {
        int(number): str(answer)
        for key, other in pairs
        for answer, number in ((key, other) if isinstance(other, int) else (other, key),)
        if str(number).isdecimal()
    }


def pick_split(path: Path, splits: dict[str, Any], split: str | None) -> dict[str, Any]:
    """The texts of one split of VIOLET's {"train": {id: [captions]}, "val": ...}."""
    split = split_name(path, list(splits), split)
    texts = splits[split]
    if not isinstance(texts, dict):
        found = type(texts).__name__
        raise AnnotationError(
            f"{path}: {split}: expected an object {{id: [captions]}}, found {found}; give the published file"
        )
    return texts


def split_name(path: Path, known: Sequence[str], split: str | None) -> str:
    """The one of the splits that a file holds which --split means: "val" is "validation" and "validate" as well."""
    names = ", ".join(known)
    if split is None and len(known) == 1:
        return known[0]
    if split is None:
        raise OptionError(f"{path}: holds the splits {names}; say which with --split")
    for name in known:
        if split in (name, _SHORT.get(name)):
            return name
    raise OptionError(f"{path}: has no split {split!r}; give one of those that it holds: {names or 'none'}")


def refuse_split(path: Path, split: str | None) -> None:
    """Raise OptionError if --split is given for a file that is one split by itself."""
    if split is not None:
        raise OptionError(f"{path}: --split {split} is for files that hold several splits; this one does not say them")
