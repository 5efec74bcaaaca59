"""Where the members that a tar lists differ from those that its index lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.entries import Entry, Member, Stray


def differences(
    expected: Sequence[Entry], found: Sequence[Entry], rules: MemberRules
) -> Iterator[tuple[int | None, Entry, str]]:
    """(number in expected, what should be there, what is there) wherever two lists of members differ; (None, entry,
    what it is) for one that is not expected."""
    if expected == found:
        return
    strays = [entry for entry in found if isinstance(entry, Stray)]
    at: dict[int, Entry] = {entry.offset: entry for entry in found if isinstance(entry, Member)}
    for number, member in enumerate(expected):
        there = at.pop(member.offset, None)
        if there is None:
            yield number, member, "no member"
        elif there.size != member.size or _folded(there.name, rules) != _folded(member.name, rules):
            yield number, member, shown(there)
    for entry in (*at.values(), *strays):
        if isinstance(entry, Stray) or is_sample_member(entry.name):
            yield None, entry, shown(entry)


def shown(entry: Entry) -> str:
    if isinstance(entry, Member):
        return f"{entry.name!r} of {entry.size} bytes at byte {entry.offset}"
    return f"{entry.name!r} at byte {entry.offset}, which {entry.reason}" if entry.name else entry.reason


class AnyLine:
    """The quarantine of an index whose lines are not at hand: it may name anything."""

    def covers(self, entry: Entry) -> bool:
        return True


class QuarantineLines:
    """What the quarantine lines of one shard name."""

    def __init__(self, lines: Iterable[Mapping[str, Any]], rules: MemberRules) -> None:
        self._rules = rules
        self._keys, self._names = set[str](), set[str | None]()
        for line in lines:
            self._names.update([line.get("member"), *(line.get("members") or ())])
            if line.get("key") is not None:
                self._keys.add(line["key"])

    def covers(self, entry: Entry) -> bool:
        if (entry.name or None) in self._names:
            return True
        # Lines of older indexes name the first member of a sample, and its key.
        parts = self._rules.split(entry.name)
        return parts is not None and parts[0] in self._keys


def is_sample_member(name: str) -> bool:
    """Whether WebDataset would take a member of this name for part of a sample."""
    base = name.rsplit("/", 1)[-1]
    key, dot, ext = base.partition(".")
    return bool(key and dot and ext) and not (key.startswith("__") and key.endswith("__"))


def _folded(name: str, rules: MemberRules) -> tuple[str, str]:
    """A member's name as far as it must agree: "./" in front and the case of extensions vary between readers."""
    name = name.removeprefix("./")
    return rules.split(name) or (name, "")
