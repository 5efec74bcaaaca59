"""Which members of a sample are read: one as its medium, at most one json and one other text.

Promises: this is the only place that decides it. `chosen_members` decides for the member columns of an index and
`choose` for the names of one sample; both give the same answer for the same names and rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import PrintableError
from shards.dataset.members.remarks import passed_over, what_lacks
from shards.dataset.members.rules import MemberRules

_MOST_CHOICES, _MOST_MEMBERS = 1024, 16
"""Choices that are remembered, and the most members of a sample whose choice is."""


class MemberError(PrintableError, ValueError):
    """Members that make no sample; the message is the reason, with the setting that helps if one does."""


class Found(NamedTuple):
    """Numbers of the members of a sample that the rules take; None where no member has a fitting name."""

    media: int | None
    json: int | None
    txt: int | None
    """Text that is no json."""


class Chosen(NamedTuple):
    """`Found` of a sample that has a medium and a text; its other members are listed in the index and left alone."""

    media: int
    json: int | None
    txt: int | None


Role = Literal["media", "json", "txt"]
ROLES: tuple[Role, ...] = ("media", "json", "txt")
TEXTS = ROLES[1:]
"""What a member is read as: the fields of Found and Chosen, and the rows of `chosen_members`."""


def chosen_members(
    names: Sequence[str], ext: NDArray[Any], starts: NDArray[Any], rules: MemberRules
) -> NDArray[np.int64]:
    """(3, n) Number of the medium, the json and the other text of each sample among all members, -1 where it has none.

    names: of the extensions; ext: (m,) the name of each member; starts: (n + 1,) first member of each sample. Of
    several members the one of the lowest rank is taken, of equal ranks the first in the tar.
    """
    chosen = np.full((len(rules.ranks), len(starts) - 1), -1, np.int64)
    for first, ranks in zip(chosen, rules.ranks, strict=True):
        for rank in sorted({ranks[name] for name in names if name in ranks}, reverse=True):
            ids = [number for number, name in enumerate(names) if ranks.get(name) == rank]
            found = np.flatnonzero(np.isin(ext, ids))[::-1]
            first[np.searchsorted(starts, found, side="right") - 1] = found  # the first is written last and stays
    return chosen


def find_members(extensions: Sequence[str], rules: MemberRules) -> Found:
    """The members that are read of a sample, complete or not, by their extensions."""
    key = tuple(extensions)
    return _find(key, rules) if len(key) > _MOST_MEMBERS else _known(key, rules)


def choose(extensions: Sequence[str], rules: MemberRules) -> Chosen:
    """The members that are read of a complete sample. Raises MemberError where the medium or all text is missing."""
    media, json, txt = find_members(extensions, rules)
    if media is None or (json is None and txt is None):
        raise MemberError(what_lacks(extensions, rules))
    return Chosen(media, json, txt)


def notes_on(extensions: Sequence[str], chosen: Chosen, rules: MemberRules) -> Sequence[str]:
    """What a user should know about the members of a sample that are left alone."""
    key = tuple(extensions)
    if len(key) > _MOST_MEMBERS:
        return passed_over(key, chosen.media, rules)
    return _known_notes(key, chosen.media, rules)


def _find(extensions: tuple[str, ...], rules: MemberRules) -> Found:
    numbers = np.arange(len(extensions))
    chosen = chosen_members(extensions, numbers, np.array([0, len(extensions)]), rules)
    return Found(*(None if number < 0 else number for number in chosen[:, 0].tolist()))


# The samples of a dataset have members of few kinds, so nearly every choice is known already.
_known = lru_cache(_MOST_CHOICES)(_find)
_known_notes = lru_cache(_MOST_CHOICES)(passed_over)
