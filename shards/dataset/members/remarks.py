"""Remarks on members of a sample that are missing or not read, with the option that helps."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from shards.dataset.members.rules import BY_RANK, OF_KIND, OPTIONS, MemberRules, suffix
from shards.media.kinds import MEDIA_EXTENSIONS

_TEXT_SUFFIXES = ("txt", "json", "text", "caption")
"""Last parts of the names that other tools give to members with text."""
_SHOWN = 200


def passed_over(extensions: Sequence[str], media: int, rules: MemberRules) -> list[str]:
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


def what_lacks(extensions: Sequence[str], rules: MemberRules) -> str:
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
        help_ += naming("media", [ext for ext in extensions if suffix(ext) in MEDIA_EXTENSIONS])
    if not any(ext in ranks[1] or ext in ranks[2] for ext in extensions):
        help_ += naming("text_members", _maybe_texts(extensions))
    if help_:
        return f"{reason}; name what is there: {' '.join(help_)}"
    return f"{reason}; put the rest beside it, next to it in the tar"


def other_texts(extensions: Sequence[str], rules: MemberRules) -> str:
    """Options that would read other members which may be texts; for a sample whose texts hold none."""
    unread = _maybe_texts([ext for ext in extensions if ext not in rules.text_members])
    return "".join(f"; or read another member: {option}" for option in naming("text_members", unread))


def _maybe_texts(extensions: Sequence[str]) -> list[str]:
    """Members that may be texts: those named like texts, else all that are no media."""
    others = [ext for ext in extensions if ext and suffix(ext) not in MEDIA_EXTENSIONS]
    return [ext for ext in others if suffix(ext) in _TEXT_SUFFIXES] or others


def naming(setting: str, names: list[str]) -> list[str]:
    return [f"{OPTIONS[setting]} {shlex.quote(','.join(dict.fromkeys(names))[:_SHOWN])}"] if names else []


def _cut_too_early(extensions: Sequence[str]) -> bool:
    """True if some members would be a sample if keys ended at the last dot."""
    halves = [(stem, end) for stem, dot, end in (ext.rpartition(".") for ext in extensions) if dot]
    media = {stem for stem, end in halves if end in MEDIA_EXTENSIONS}
    return any(stem in media for stem, end in halves if end in ("txt", "json"))
