"""Which members of a sample are read: the rules by which an index was made, and the one choice that follows from them.

Promises: everybody who asks which member is the medium, which hold the text and where a key ends asks here; the same
names and rules give the same answer, for one sample (`choose`) and for the columns of an index (`first_members`). An
index keeps its rules in dataset.json, so readers know them; one without was made before there were any (`UNWRITTEN`).
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field

from shards.base.errors import ConfigError, PrintableError
from shards.base.frozen import Frozen
from shards.media.kinds import FRAMES_EXTENSIONS, IMAGE_EXTENSIONS, MEDIA_EXTENSIONS, VIDEO_EXTENSIONS

_OF_KIND = {
    "video": VIDEO_EXTENSIONS,
    "frames": FRAMES_EXTENSIONS,
    "image": IMAGE_EXTENSIONS,
    "any": MEDIA_EXTENSIONS,
}
_TEXT_SUFFIXES = ("txt", "json", "text", "caption")
"""What a member with text is called by other tools."""
_SHOWN = 200
_MOST_CHOICES, _MOST_MEMBERS = 1024, 16
"""That are kept, and of a sample among them."""


class MemberError(PrintableError, ValueError):
    """Members that make no sample; the message is the reason, with the setting that helps if one does."""


def _split(names: Any) -> Any:
    """Names as the command line gives them: separated by commas."""
    if isinstance(names, str):
        return tuple(name.strip() for name in names.split(",") if name.strip())
    return names


def _as_extensions(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower().lstrip(".") for name in names)


def _check_media(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("names no member; leave it out for videos before pictures")
    for name in names:
        if name not in _OF_KIND and suffix(name) not in MEDIA_EXTENSIONS:
            raise ValueError(
                f"{name!r} is neither {', '.join(_OF_KIND)} nor the name of a medium, which ends in one of: "
                f"{', '.join(MEDIA_EXTENSIONS)}"
            )
    return names


def _check_texts(names: tuple[str, ...]) -> tuple[str, ...]:
    wrong = next((name for name in names if suffix(name) in MEDIA_EXTENSIONS), None)
    if wrong is not None or not names:
        raise ValueError(f"{wrong!r} is a medium; name members with text" if names else "names no member")
    return names


_Name = Annotated[str, Field(min_length=1, max_length=256)]
_Names = Annotated[tuple[_Name, ...], BeforeValidator(_split), Field(max_length=64)]
Media = Annotated[_Names, AfterValidator(_as_extensions), AfterValidator(_check_media)]
TextMembers = Annotated[_Names, AfterValidator(_as_extensions), AfterValidator(_check_texts)]
KeyUntil = Literal["first_dot", "last_dot"]
KeyFrom = Literal["path", "name"]


class MemberSettings(Frozen):
    """What a user says about the members of a dataset; None: as its index says."""

    media: Media | None = None
    """Members that may be the medium, best first, by extension as in "input.jpg" or by kind: video, frames, image, any
    (the first of these in the tar). Fixed by the index."""
    text_field: _Names | None = None
    """Fields of the json that hold the text, the first that has one counts; dots lead into objects and lists, as in
    "captions.en". Then the txt is taken. An empty list: no text is needed, records are the fields as they are."""
    text_members: TextMembers | None = None
    """Members that hold the text, best first: a json (its fields) and another one (its content, the caption), which
    counts before the fields if it is named first."""
    key_until: KeyUntil | None = None
    """Where in its name the key of a member ends. Fixed by the index."""
    key_from: KeyFrom | None = None
    """Whether folders in a member's name belong to its key: path, or name. Fixed by the index."""

    def given(self) -> dict[str, Any]:
        """What is said at all."""
        return {name: value for name in SETTINGS if (value := getattr(self, name)) is not None}


SETTINGS = tuple(MemberSettings.model_fields)
_OPTIONS = {name: "--" + ("media-members" if name == "media" else name.replace("_", "-")) for name in SETTINGS}
_FIXED = ("media", "key_until", "key_from")


class MemberRules(Frozen):
    """How samples are made of members; see MemberSettings for what each rule says."""

    media: Media = ("video", "frames", "image")
    text_field: _Names | None = None
    """None: caption in the json, else the txt, else captions, text or conversations in the json."""
    text_members: TextMembers = ("json", "txt")
    key_until: KeyUntil = "first_dot"
    key_from: KeyFrom = "path"

    @cached_property
    def ranks(self) -> tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]]:
        """Of medium, json and other text: extension -> rank, the lowest is taken."""
        media: dict[str, int] = {}
        for rank, name in enumerate(self.media):
            for ext in _OF_KIND.get(name, (name,)):
                media.setdefault(ext, rank)
        texts = {name: rank for rank, name in reversed(list(enumerate(self.text_members)))}
        json = {name: rank for name, rank in texts.items() if suffix(name) == "json"}
        return media, json, {name: rank for name, rank in texts.items() if name not in json}

    @cached_property
    def txt_first(self) -> bool:
        """Whether text that is no json counts before the fields of a json."""
        return suffix(self.text_members[0]) != "json"

    @cached_property
    def choices(self) -> dict[tuple[str, ...], Choice]:
        """What was chosen before; the samples of a dataset are of few kinds."""
        return {}

    def split(self, name: str) -> tuple[str, str] | None:
        """(key, extension in lower case) of a member, None for a name that belongs to no sample."""
        folder, slash, base = name.rpartition("/")
        if self.key_until == "first_dot":
            stem, dot, ext = base.partition(".")
        else:
            stem, dot, ext = base.rpartition(".")
            if stem[:1] == ".":
                return None
        if not stem or not dot or (stem[:2] == "__" and stem.endswith("__")):
            return None
        return (stem if self.key_from == "name" else folder + slash + stem), ext.lower()

    def with_settings(self, settings: MemberSettings, url: str) -> MemberRules:
        """The rules of the index of the tars at `url` as a config wants them. Raises ConfigError for what is fixed."""
        given = settings.given()
        wanted = MemberRules(**{**self.model_dump(), **given})
        for name in _FIXED:
            if getattr(wanted, name) != getattr(self, name):
                raise ConfigError(
                    f"{name}: the index at {url} was made with {_spelled(getattr(self, name))}, the config says "
                    f"{_spelled(given[name])}; this cannot change after indexing, index the tars again: "
                    f"python -m shards index {shlex.quote(url)} {wanted.options()}"
                )
        return wanted

    def options(self) -> str:
        """The options of `shards index` for these rules."""
        default = MemberRules()
        different = [name for name in SETTINGS if getattr(self, name) != getattr(default, name)]
        return " ".join(f"{_OPTIONS[name]} {shlex.quote(_spelled(getattr(self, name)))}" for name in different)


def read_options(options: Mapping[str, str | None]) -> MemberRules:
    """Rules from what the command line says, by setting; None: nothing. Raises ConfigError that names the option."""
    try:
        return MemberRules.model_validate({name: value for name, value in options.items() if value is not None})
    except ConfigError as error:
        message = str(error)
        for name in SETTINGS:
            message = message.replace(f"{MemberRules.__name__}: {name}", _OPTIONS[name])
        raise ConfigError(message) from error


UNWRITTEN = MemberRules(media=("any",), text_field=())
"""The rules of an index that names none: the first medium in the tar, and the fields as they are."""


class Chosen(NamedTuple):
    """Numbers of the members of a sample that are read; the others are listed in the index and left alone."""

    media: int
    json: int | None
    txt: int | None
    """Text that is no json."""


class Choice(NamedTuple):
    """What is read of a sample, and what is to be said about the rest."""

    chosen: Chosen
    notes: list[str]


def suffix(ext: str) -> str:
    """What kind of file a member is: "jpg" of "input.jpg"."""
    return ext.rpartition(".")[2]


def choose(extensions: Sequence[str], rules: MemberRules) -> Chosen:
    """Say which members of a sample are its medium and its texts, of equal rank the first. Raises MemberError."""
    return choose_and_note(extensions, rules).chosen


def choose_and_note(extensions: Sequence[str], rules: MemberRules) -> Choice:
    """The same with what is to be said about members that are left alone."""
    key = tuple(extensions)
    known = rules.choices.get(key)
    if known is not None:
        return known
    media, json, txt = (_best(extensions, ranks) for ranks in rules.ranks)
    if media is None or (json is None and txt is None):
        raise MemberError(_what_lacks(extensions, rules))
    chosen = Chosen(media, json, txt)
    choice = Choice(chosen, _passed_over(extensions, chosen, rules))
    if len(rules.choices) < _MOST_CHOICES and len(key) <= _MOST_MEMBERS:
        rules.choices[key] = choice
    return choice


Role = Literal["media", "json", "txt"]
TEXTS: tuple[Role, ...] = ("json", "txt")


def roles(extensions: Sequence[str], rules: MemberRules) -> list[Role | None]:
    """What each member of a sample is read as, where anything is missing too; None: it is not read."""
    found: list[Role | None] = [None] * len(extensions)
    for role, ranks in zip(get_args(Role), rules.ranks, strict=True):
        best = _best(extensions, ranks)
        if best is not None:
            found[best] = role
    return found


def _best(extensions: Sequence[str], ranks: Mapping[str, int]) -> int | None:
    there = [number for number, ext in enumerate(extensions) if ext in ranks]
    return min(there, key=lambda number: ranks[extensions[number]]) if there else None


def first_members(
    names: Sequence[str], ext: NDArray[Any], starts: NDArray[Any], ranks: Mapping[str, int]
) -> NDArray[np.int64]:
    """The number of each sample's member that `choose` takes, -1 where there is none.

    names: of the extensions; ext: (m,) the name of each member; starts: (n + 1,) of each sample its first member.
    """
    first = np.full(len(starts) - 1, -1, np.int64)
    for rank in sorted({ranks[name] for name in names if name in ranks}, reverse=True):
        ids = [number for number, name in enumerate(names) if ranks.get(name) == rank]
        found = np.flatnonzero(np.isin(ext, ids))[::-1]
        first[np.searchsorted(starts, found, side="right") - 1] = found  # of several the first is written last
    return first


def _passed_over(extensions: Sequence[str], chosen: Chosen, rules: MemberRules) -> list[str]:
    """What is to be said about a sample with more in it than one medium and its texts."""
    notes = []
    kinds = Counter(kind for ext in extensions for kind in ("video", "frames", "image") if ext in _OF_KIND[kind])
    taken = next((kind for kind in kinds if suffix(extensions[chosen.media]) in _OF_KIND[kind]), None)
    others = sorted(kind for kind in kinds if kind != taken)
    if taken is not None and others:
        notes.append(f"{taken} taken, {' and '.join(others)} beside it left alone; --media-members chooses otherwise")
    if rules.key_until == "first_dot" and _cut_too_early(extensions):
        notes.append("members left alone that are samples by themselves where keys have dots; --key-until last_dot")
    return notes


def _what_lacks(extensions: Sequence[str], rules: MemberRules) -> str:
    """Why these are no sample, and what would make them one."""
    found = ", ".join(extensions)[:_SHOWN] or "nothing"
    texts = " or ".join(rules.text_members)
    media = "a medium" if rules.media[0] in _OF_KIND else " or ".join(rules.media)
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


def other_texts(extensions: Sequence[str], rules: MemberRules) -> str:
    """What is to be said of members that may be texts, where those that are read hold none."""
    unread = _maybe_texts([ext for ext in extensions if ext not in rules.text_members])
    return "".join(f"; or read another member: {option}" for option in _naming("text_members", unread))


def _maybe_texts(extensions: Sequence[str]) -> list[str]:
    """Members that may be texts: those called so, else any that are no media."""
    others = [ext for ext in extensions if ext and suffix(ext) not in MEDIA_EXTENSIONS]
    return [ext for ext in others if suffix(ext) in _TEXT_SUFFIXES] or others


def _naming(setting: str, names: list[str]) -> list[str]:
    return [f"{_OPTIONS[setting]} {shlex.quote(','.join(dict.fromkeys(names))[:_SHOWN])}"] if names else []


def _cut_too_early(extensions: Sequence[str]) -> bool:
    """Whether some of these would be a sample if keys ended at the last dot."""
    halves = [(stem, end) for stem, dot, end in (ext.rpartition(".") for ext in extensions) if dot]
    media = {stem for stem, end in halves if end in MEDIA_EXTENSIONS}
    return any(stem in media for stem, end in halves if end in ("txt", "json"))


def _spelled(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
