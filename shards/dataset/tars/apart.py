"""Better reasons for samples whose members do not lie next to each other in a tar.

Only the whole tar shows that the other members of a group lie elsewhere, so the reasons are rewritten at its end. No
line is removed and no sample is made. Memory: the groups without a medium or text, and those of keys that came back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from shards.dataset.members.choice import MemberError, choose
from shards.dataset.members.rules import MemberRules

SORT = "sort the tar (unpack it, then: tar --sort=name -cf NEW.tar -C FOLDER .)"


class FailedGroup(NamedTuple):
    """A group of consecutive members with one key that gave no sample."""

    number: int
    """Number among all groups of the tar."""
    key: str
    extensions: Sequence[str]
    line: dict[str, Any]
    """Its line of the quarantine."""


def explain(groups: Sequence[FailedGroup], keys_kept: set[str], rules: MemberRules) -> None:
    """Rewrite the reasons of groups whose other members lie elsewhere in the tar.

    groups: those that lack a medium or text, and those whose key came before. keys_kept: keys of the samples.
    """
    by_key: dict[str, list[FailedGroup]] = {}
    for group in groups:
        by_key.setdefault(group.key, []).append(group)
    for key, parts in by_key.items():
        for group in parts:
            if len(parts) > 1 or key in keys_kept:
                group.line["reason"] = _came_back(group, key in keys_kept, rules)
    if rules.key_from == "path":
        _explain_folders([parts[0] for key, parts in by_key.items() if len(parts) == 1 and key not in keys_kept], rules)


def _came_back(group: FailedGroup, kept: bool, rules: MemberRules) -> str:
    try:
        choose(group.extensions, rules)
    except MemberError as error:
        if "--key-until" in str(error):
            return str(error)
        have = ", ".join(group.extensions)[:200]
        rest = "the sample was made without" if kept else "here are only"
        return f"members of a key are not adjacent: {SORT}; {rest}: {have}"
    if kept:
        return (
            "the key comes a second time in this tar, after other keys; the first sample is kept; name this otherwise"
        )
    return (
        "the key comes several times in this tar, after other keys, and is not usable the first time; name it otherwise"
    )


def _explain_folders(groups: Sequence[FailedGroup], rules: MemberRules) -> None:
    """Rewrite the reasons of groups that would be one sample if folders did not count, as images/0.jpg and
    texts/0.txt."""
    by_name: dict[str, list[FailedGroup]] = {}
    for group in groups:
        by_name.setdefault(group.key.rpartition("/")[2], []).append(group)
    for parts in by_name.values():
        try:
            choose([ext for group in parts for ext in group.extensions], rules)
        except MemberError:
            continue
        if len(parts) < 2:
            continue
        adjacent = all(after.number == before.number + 1 for before, after in pairwise(parts))
        folders = " and ".join(dict.fromkeys(group.key.rpartition("/")[0] or "." for group in parts))[:200]
        remedy = (
            "--key-from name makes them one" if adjacent else "pack the tar sorted by file name, then --key-from name"
        )
        for group in parts:
            group.line["reason"] = f"its members lie in several folders ({folders}), which belong to the key; {remedy}"
