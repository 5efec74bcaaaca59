"""The options that say which members of a sample are its medium and its text, as `shards index` has them."""

from __future__ import annotations

from typing import Annotated

import typer

from shards.base import ConfigError
from shards.dataset import MemberRules, read_options
from tools.rows import OptionError

MediaMembers = Annotated[
    str | None,
    typer.Option(help="Members that may be the medium, best first: extensions, or video, frames, image, any."),
]
TextMembers = Annotated[str | None, typer.Option(help="Members with text, best first: a json and another one.")]
TextField = Annotated[str | None, typer.Option(help="Fields of the json with the text, best first; dots lead inside.")]
KeyUntil = Annotated[str | None, typer.Option(help="Where in a name the key ends: first_dot or last_dot.")]
KeyFrom = Annotated[str | None, typer.Option(help="Whether folders belong to the key: path or name.")]
KeyPrefix = Annotated[
    str | None, typer.Option(help="tar: put the name of the tar or folder before keys, where these begin anew in each.")
]


def member_rules(
    media_members: str | None,
    text_members: str | None,
    text_field: str | None,
    key_until: str | None,
    key_from: str | None,
) -> MemberRules:
    """Rules from options; None: not given. Raises OptionError."""
    options = {"media": media_members, "text_members": text_members, "text_field": text_field}
    try:
        return read_options({**options, "key_until": key_until, "key_from": key_from})
    except ConfigError as error:
        raise OptionError(str(error)) from error


def tar_in_key(key_prefix: str | None) -> bool:
    """True for --key-prefix tar. Raises OptionError."""
    if key_prefix not in (None, "tar"):
        raise OptionError(f"--key-prefix {key_prefix}: not known; give tar, or leave it out")
    return key_prefix == "tar"
