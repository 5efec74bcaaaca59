"""Differences between the members that a tar lists and those that its index lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.entries import Entry, Member, Stray


class Difference(NamedTuple):
    """A member that is missing or other than expected, or an entry of the tar that is not expected."""

    number: int | None
    """Number of the expected member; None for an entry that is not expected."""
    expected: str
    found: str
    entry: Entry
    """The expected member, or the entry that is not expected."""


def differences(expected: Sequence[Member], found: Sequence[Entry], rules: MemberRules) -> Iterator[Difference]:
    """Compare the members of an index with the entries of its tar, by position in the tar."""
    if expected == found:
        return
    strays = [entry for entry in found if isinstance(entry, Stray)]
    at: dict[int, Entry] = {entry.offset: entry for entry in found if isinstance(entry, Member)}
    for number, member in enumerate(expected):
        there = at.pop(member.offset, None)
        if there is None:
            yield Difference(number, _shown(member), "no member", member)
        elif there.size != member.size or _folded(there.name, rules) != _folded(member.name, rules):
            yield Difference(number, _shown(member), _shown(there), member)
    for entry in (*at.values(), *strays):
        if isinstance(entry, Stray) or _is_sample_member(entry.name):
            yield Difference(None, "nothing", _shown(entry), entry)


class QuarantineLines:
    """The entries of one tar that lines of the quarantine name; None: the lines are not known and may name any."""

    def __init__(self, lines: Iterable[Mapping[str, Any]] | None, rules: MemberRules) -> None:
        self._rules, self._any = rules, lines is None
        self._keys, self._names = set[str](), set[str | None]()
        for line in lines or ():
            self._names.update([line.get("member"), *(line.get("members") or ())])
            if line.get("key") is not None:
                self._keys.add(line["key"])

    def covers(self, entry: Entry) -> bool:
        if self._any or (entry.name or None) in self._names:
            return True
        # Lines of older indexes name only the first member of a sample, and its key.
        parts = self._rules.split(entry.name)
        return parts is not None and parts[0] in self._keys


def _shown(entry: Entry) -> str:
    if isinstance(entry, Member):
        return f"{entry.name!r} of {entry.size} bytes at byte {entry.offset}"
    return f"{entry.name!r} at byte {entry.offset}, which {entry.reason}" if entry.name else entry.reason


def _is_sample_member(name: str) -> bool:
    """True if WebDataset reads a member of this name as part of a sample."""
    base = name.rsplit("/", 1)[-1]
    key, dot, ext = base.partition(".")
    return bool(key and dot and ext) and not (key.startswith("__") and key.endswith("__"))


def _folded(name: str, rules: MemberRules) -> tuple[str, str]:
    """A member's name without what varies between readers: "./" in front, and the case of extensions."""
    name = name.removeprefix("./")
    return rules.split(name) or (name, "")
