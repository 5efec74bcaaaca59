"""The rules by which samples are made of members: where a key ends, and which members may be medium and text.

`MemberRules` are the rules of an index, which keeps them in dataset.json; an index without any was made before there
were rules (`UNWRITTEN`). `MemberSettings` are what a config wants otherwise. shards/dataset/members/choice.py applies
them to the members of a sample.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shards.base.errors import ConfigError
from shards.base.frozen import Frozen
from shards.media.kinds import KINDS, MEDIA_EXTENSIONS

BY_RANK = tuple(name for name, kind in KINDS.items() if kind.extensions)
"""Kinds of media that are members of tars, in the order in which a sample that has several takes its medium."""
OF_KIND = {**{name: KINDS[name].extensions for name in BY_RANK}, "any": MEDIA_EXTENSIONS}
"""Extensions by the names that settings use for them."""


def _split(names: Any) -> Any:
    """Names from a text in which commas separate them, as on the command line."""
    if isinstance(names, str):
        return tuple(name.strip() for name in names.split(",") if name.strip())
    return names


def _as_extensions(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower().lstrip(".") for name in names)


def _check_media(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("names no member; leave it out for videos before pictures")
    for name in names:
        if name not in OF_KIND and suffix(name) not in MEDIA_EXTENSIONS:
            raise ValueError(
                f"{name!r} is neither {', '.join(OF_KIND)} nor the name of a medium, which ends in one of: "
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
    """Settings of a config for the members of a dataset; None: as its index says."""

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
    """The dot in a member's name at which its key ends. Fixed by the index."""
    key_from: KeyFrom | None = None
    """path: folders in a member's name belong to its key; name: they do not. Fixed by the index."""

    def given(self) -> dict[str, Any]:
        """The settings that are not None."""
        return {name: value for name in SETTINGS if (value := getattr(self, name)) is not None}


SETTINGS = tuple(MemberSettings.model_fields)
OPTIONS = {name: "--" + ("media-members" if name == "media" else name.replace("_", "-")) for name in SETTINGS}
_FIXED = ("media", "key_until", "key_from")


class MemberRules(Frozen):
    """Rules that make samples of members; MemberSettings describes each."""

    media: Media = BY_RANK
    text_field: _Names | None = None
    """None: caption in the json, else the txt, else captions, text or conversations in the json."""
    text_members: TextMembers = ("json", "txt")
    key_until: KeyUntil = "first_dot"
    key_from: KeyFrom = "path"

    @cached_property
    def ranks(self) -> tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]]:
        """Extension -> rank, for medium, json and other text; the member of the lowest rank is taken."""
        media: dict[str, int] = {}
        for rank, name in enumerate(self.media):
            for ext in OF_KIND.get(name, (name,)):
                media.setdefault(ext, rank)
        texts = {name: rank for rank, name in reversed(list(enumerate(self.text_members)))}
        json = {name: rank for name, rank in texts.items() if suffix(name) == "json"}
        return media, json, {name: rank for name, rank in texts.items() if name not in json}

    @cached_property
    def txt_first(self) -> bool:
        """True if text that is no json counts before the fields of a json."""
        return suffix(self.text_members[0]) != "json"

    def __hash__(self) -> int:
        return self._hash  # once: choices are remembered by rules, and every sample of a tar asks for one

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, name) for name in SETTINGS))

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
        """These rules, changed as a config wants. url: of the tars. Raises ConfigError for a rule that is fixed."""
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
        return " ".join(f"{OPTIONS[name]} {shlex.quote(_spelled(getattr(self, name)))}" for name in different)


def read_options(options: Mapping[str, str | None]) -> MemberRules:
    """Rules from options of the command line, by setting; None: not given. Raises ConfigError that names the option."""
    try:
        return MemberRules.model_validate({name: value for name, value in options.items() if value is not None})
    except ConfigError as error:
        message = str(error)
        for name in SETTINGS:
            message = message.replace(f"{MemberRules.__name__}: {name}", OPTIONS[name])
        raise ConfigError(message) from error


UNWRITTEN = MemberRules(media=("any",), text_field=())
"""The rules of an index that names none: the first medium in the tar, and the fields as they are."""


def suffix(ext: str) -> str:
    """The kind of file of a member by its extension: "jpg" for "input.jpg"."""
    return ext.rpartition(".")[2]


def _spelled(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
