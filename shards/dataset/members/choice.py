"""Choice of the members of a sample to read: one as its medium, at most one json and one other text.

Promises: this is the only place that decides it. `chosen_members` decides for the member columns of an index and
`choose` for the names of one sample; both give the same answer for the same names and rules. Reasons and notes name the
option that would read other members.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shards.base.errors import PrintableError
from shards.dataset.members.rules import BY_RANK, OF_KIND, OPTIONS, MemberRules, suffix
from shards.media.kinds import MEDIA_EXTENSIONS

_MOST_CHOICES, _MOST_MEMBERS = 1024, 16
"""Choices that are remembered, and the most members of a sample whose choice is."""
_TEXT_SUFFIXES = ("txt", "json", "text", "caption")
"""Last parts of the names that other tools give to members with text."""
_SHOWN = 200


class MemberError(PrintableError, ValueError):
    """Members that make no sample; the message is the reason, with the setting that helps if one does."""


class Chosen(NamedTuple):
    """Numbers of the members that are read of a sample; its other members are listed in the index and left alone."""

    media: int
    json: int | None
    txt: int | None
    """Text that is no json."""


Role = Literal["media", "json", "txt"]
ROLES: tuple[Role, ...] = ("media", "json", "txt")
TEXTS = ROLES[1:]
"""The fields of Chosen and the rows of `chosen_members`: what a member is read as."""
_Found = tuple[int | None, int | None, int | None]


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


def find_members(extensions: Sequence[str], rules: MemberRules) -> _Found:
    """Numbers of the medium, the json and the other text among the members of a sample, complete or not."""
    key = tuple(extensions)
    return _find(key, rules) if len(key) > _MOST_MEMBERS else _known(key, rules)


def choose(extensions: Sequence[str], rules: MemberRules) -> Chosen:
    """The members that are read of a complete sample. Raises MemberError where the medium or all text is missing."""
    key = tuple(extensions)
    return _choose(key, rules) if len(key) > _MOST_MEMBERS else _known_choice(key, rules)


def notes_on(extensions: Sequence[str], chosen: Chosen, rules: MemberRules) -> Sequence[str]:
    """Notes for the user on the members of a sample that are not read."""
    key = tuple(extensions)
    if len(key) > _MOST_MEMBERS:
        return _passed_over(key, chosen.media, rules)
    return _known_notes(key, chosen.media, rules)


def other_texts(extensions: Sequence[str], rules: MemberRules) -> str:
    """Options that would read other members which may be texts; for a sample whose texts hold none."""
    unread = _maybe_texts([ext for ext in extensions if ext not in rules.text_members])
    return "".join(f"; or read another member: {option}" for option in _naming("text_members", unread))


def _choose(extensions: tuple[str, ...], rules: MemberRules) -> Chosen:
    media, json, txt = find_members(extensions, rules)
    if media is None or (json is None and txt is None):
        raise MemberError(_what_lacks(extensions, rules))
    return Chosen(media, json, txt)


def _find(extensions: tuple[str, ...], rules: MemberRules) -> _Found:
    numbers = np.arange(len(extensions))
    chosen = chosen_members(extensions, numbers, np.array([0, len(extensions)]), rules)
    media, json, txt = (None if number < 0 else number for number in chosen[:, 0].tolist())
    return media, json, txt


def _passed_over(extensions: Sequence[str], media: int, rules: MemberRules) -> list[str]:
    """Notes on a sample that holds more than one medium and its texts. media: number of the chosen medium."""
    notes = []
    kinds = Counter(kind for ext in extensions for kind in BY_RANK if ext in OF_KIND[kind])
    taken = next((kind for kind in kinds if suffix(extensions[media]) in OF_KIND[kind]), None)
    others = sorted(kind for kind in kinds if kind != taken)
    if taken is not None and others:
        notes.append(f"{taken} taken, {' and '.join(others)} beside it left alone; --media-members chooses otherwise")
    if rules.key_until == "first_dot" and _cut_too_early(extensions):
        notes.append("members left alone that are samples by themselves where keys have dots; --key-until last_dot")
    return notes


def _what_lacks(extensions: Sequence[str], rules: MemberRules) -> str:
    """The reason why members are no sample, and what would make them one."""
    found = ", ".join(extensions)[:_SHOWN] or "nothing"
    texts = " or ".join(rules.text_members)
    media = "a medium" if rules.media[0] in OF_KIND else " or ".join(rules.media)
    reason = f"needs {media} and a {texts}, has {found}"
    if rules.key_until == "first_dot" and _cut_too_early(extensions):
        return f"{reason}; the name has dots in its key: --key-until last_dot"
    ranks = rules.ranks
    help_: list[str] = []
    if not any(ext in ranks[0] for ext in extensions):
        help_ += _naming("media", [ext for ext in extensions if suffix(ext) in MEDIA_EXTENSIONS])
    if not any(ext in ranks[1] or ext in ranks[2] for ext in extensions):
        help_ += _naming("text_members", _maybe_texts(extensions))
    if help_:
        return f"{reason}; name what is there: {' '.join(help_)}"
    return f"{reason}; put the rest beside it, next to it in the tar"


def _maybe_texts(extensions: Sequence[str]) -> list[str]:
    """Members that may be texts: those named like texts, else all that are no media."""
    others = [ext for ext in extensions if ext and suffix(ext) not in MEDIA_EXTENSIONS]
    return [ext for ext in others if suffix(ext) in _TEXT_SUFFIXES] or others


def _naming(setting: str, names: list[str]) -> list[str]:
    """The option that names these members, if there are any."""
    return [f"{OPTIONS[setting]} {shlex.quote(','.join(dict.fromkeys(names))[:_SHOWN])}"] if names else []


def _cut_too_early(extensions: Sequence[str]) -> bool:
    """True if some members would be a sample if keys ended at the last dot."""
    halves = [(stem, end) for stem, dot, end in (ext.rpartition(".") for ext in extensions) if dot]
    media = {stem for stem, end in halves if end in MEDIA_EXTENSIONS}
    return any(stem in media for stem, end in halves if end in ("txt", "json"))


# The samples of a dataset have members of few kinds, so nearly every choice is known already.
_known = lru_cache(_MOST_CHOICES)(_find)
_known_choice = lru_cache(_MOST_CHOICES)(_choose)
_known_notes = lru_cache(_MOST_CHOICES)(_passed_over)
