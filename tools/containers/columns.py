"""Which columns of a container hold the medium, the text and the id of a record: by option, else by well-known names.

Dots lead into nested values, as in "json.caption". A container whose names are not known is refused with the list of
its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from tools.rows import OptionError

DataPath = Annotated[Path, typer.Option(help="The container: its folder, or its file.")]
MediaRoot = Annotated[
    Path | None, typer.Option(help="Folder of the media, where records name them instead of holding them.")
]
MediaColumn = Annotated[str | None, typer.Option(help="The column with the medium.  [default: a well-known name]")]
TextColumn = Annotated[
    str | None, typer.Option(help="The column with the caption or captions.  [default: a well-known name]")
]
IdColumn = Annotated[
    str | None, typer.Option(help="The column with the id.  [default: a well-known name, else records are numbered]")
]
LeaveOut = Annotated[str | None, typer.Option(help="Columns that are not read, with commas between.")]
SplitName = Annotated[str | None, typer.Option(help="Which split, where the container holds several.")]

_MEDIA = (
    *("video", "videos", "clip", "mp4", "webm", "mkv", "avi", "mov", "video_bytes"),
    *(
        "image/encoded",
        "video/encoded",
        "image",
        "images",
        "img",
        "picture",
        "jpg",
        "jpeg",
        "png",
        "webp",
        "frames",
        "image_bytes",
        "media",
    ),
    *("video_path", "image_path", "file_name", "filename", "file_path", "path", "video_url", "image_url", "url"),
)
_TEXT = ("caption", "captions", "text", "texts", "txt", "sentence", "sentences", "description")
_ID = ("id", "__key__", "key", "video_id", "videoid", "image_id", "clip_id", "sample_id", "uid", "vid")


TEXT_BESIDE = "caption"


class Columns(NamedTuple):
    """The columns of a record that are used as such; all others are kept beside them, as far as json can hold them."""

    media: str
    text: str
    identifier: str | None
    """None: records are numbered."""


def choose_columns(
    names: Sequence[str],
    where: Path,
    media_column: str | None,
    text_column: str | None,
    id_column: str | None = None,
    texts_beside: bool = False,
) -> Columns:
    """The columns that the options name, else those of a well-known name.

    where: for messages. texts_beside: the texts come from another file, as the column "caption". Raises OptionError.
    """
    text = TEXT_BESIDE if texts_beside else _named(names, where, "--text-column", text_column)
    return Columns(
        _named(names, where, "--media-column", media_column) or _known(names, where, "--media-column", _MEDIA),
        text or _known(names, where, "--text-column", _TEXT),
        _named(names, where, "--id-column", id_column) or _first(names, _ID),
    )


def refuse_pickled(pickled: Iterable[str], where: Path) -> None:
    """Raise OptionError if a column that is not left out holds pickles."""
    for name in pickled:
        raise OptionError(
            f"{where}: the column {name!r} holds pickles, which are not read (opening one runs whatever code it "
            f"holds); leave it out with --leave-out {name}, or write the container again without it"
        )


def left_out(names: str | None, known: Sequence[str], where: Path) -> frozenset[str]:
    """The columns that --leave-out names. Raises OptionError for one that is not there."""
    wanted = [name.strip() for name in (names or "").split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            raise OptionError(f"{where}: --leave-out {name}: no such column; it has {_listed(known)}")
    return frozenset(wanted)


def _named(names: Sequence[str], where: Path, option: str, name: str | None) -> str | None:
    if name is not None and name not in names and name.partition(".")[0] not in names:
        raise OptionError(f"{where}: {option} {name}: no such column; it has {_listed(names)}")
    return name


def _known(names: Sequence[str], where: Path, option: str, known: Sequence[str]) -> str:
    found = _first(names, known)
    if found is None:
        raise OptionError(f"{where}: cannot tell which column it is; say it with {option}: it has {_listed(names)}")
    return found


def _first(names: Sequence[str], known: Sequence[str]) -> str | None:
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[name] for name in known if name in by_name), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)[:300] or "none"
