"""Group the texts of a set by video: one sample per video with all its questions or captions.

The texts of a video may be spread over the file: a first pass groups them (these sets are small), and the sample has
the place of the first. A record that cannot be read is quarantined. A text that cannot be used is dropped if the video
has others; the json of the sample lists it. Where the videos of a split are listed, those of others are passed over
and one that has no text is quarantined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tools.annotations import Columns, check_file, table_records, tsv_lines
from tools.lookup import MediaFolder, MediaNotFound
from tools.record import BadLine, Record
from tools.rows import MALFORMED, NO_MEDIA, NO_TEXT, BadRow, CountedRows, Row, make_key

LISTED: Columns = {"video": ("video_id", "video")}


class Text(Protocol):
    """A text as one record of an annotation file has it."""

    @property
    def video(self) -> str:
        """The id of its video."""

    def flaw(self) -> str:
        """The reason why the text cannot be used, or "" if it can."""

    def record(self) -> dict[str, Any]:
        """The text record of a sample."""


@dataclass(frozen=True, slots=True)
class VideoList:
    """The videos of a split: `places` in the file that lists them, and the lines of it that name none."""

    path: Path
    places: Mapping[str, str]
    bad: tuple[BadRow, ...] = ()

    @classmethod
    def read(cls, path: Path, identity: Callable[[str], str] = lambda video: video) -> VideoList:
        """A published list: a .csv with a column video_id, or a file with an id per line."""
        check_file(path)
        records: Iterable[Record | BadRow]
        if path.suffix.lower() == ".csv":
            records = table_records(path, LISTED)
        else:
            lines = ((number, "\t".join(fields).strip()) for number, fields in tsv_lines(path))
            records = (Record(f"line {number}", {"video_id": text}) for number, text in lines if text)
        places: dict[str, str] = {}
        bad: list[BadRow] = []
        for record in records:
            if isinstance(record, BadRow):
                bad.append(record)
                continue
            try:
                video = identity(record.id(LISTED["video"]))
                if video in places:
                    raise BadLine(f"the video {video!r} stands in {places[video]} already; remove one of them")
                places[video] = record.place
            except BadLine as flaw:
                bad.append(BadRow.at(record.place, path, MALFORMED, str(flaw)))
        return cls(path, places, tuple(bad))


@dataclass(slots=True)
class _Group:
    """The texts of one video: the place of the first, the usable ones, and why others are dropped."""

    place: str
    records: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


Whole = Callable[[Sequence[dict[str, Any]]], Sequence[dict[str, Any]]]
"""Makes of all the records of a video those of its sample."""


def rows_by_video(
    records: Iterable[Record | BadRow],
    annotations: Path,
    folder: MediaFolder,
    read: Callable[[Record], Text],
    noun: str,
    names: Callable[[str], Sequence[str]] = lambda video: (video,),
    *,
    only: VideoList | None = None,
    whole: Whole = tuple,
    meta: Callable[[str], Mapping[str, Any]] = lambda video: {},
) -> CountedRows:
    """A row per video and per bad record, in the order of the file.

    read: a text of a record; raises BadLine. noun: what a text is, for reasons. names: gives for the id of a video the
    names that it may have in the id map and in the media folder (paths without extension). meta: what the json of a
    sample holds about the video, besides its id.
    """
    grouped = _group(records, annotations, read, only)
    if only is not None:
        texts = {entry[0] for entry in grouped if not isinstance(entry, BadRow)}
        grouped += [_unheard(video, only, annotations, noun) for video in only.places if video not in texts]
        grouped += only.bad

    def rows() -> Iterator[Row | BadRow]:
        for entry in grouped:
            if isinstance(entry, BadRow):
                yield entry
                continue
            video, group = entry
            yield _row(video, group, annotations, folder, noun, names(video), whole, meta(video))

    return CountedRows(rows(), len(grouped))


def _unheard(video: str, listed: VideoList, annotations: Path, noun: str) -> BadRow:
    what = f"no {noun} about video {video!r} in {annotations.name}; give the file that has those of this split"
    return BadRow.at(listed.places[video], listed.path, NO_TEXT, what)


def _group(
    records: Iterable[Record | BadRow], annotations: Path, read: Callable[[Record], Text], only: VideoList | None
) -> list[BadRow | tuple[str, _Group]]:
    grouped: list[BadRow | tuple[str, _Group]] = []
    videos: dict[str, _Group] = {}
    for record in records:
        if isinstance(record, BadRow):
            grouped.append(record)
            continue
        try:
            text = read(record)
        except BadLine as flaw:
            grouped.append(BadRow.at(record.place, annotations, MALFORMED, str(flaw)))
            continue
        if only is not None and text.video not in only.places:
            continue
        if text.video not in videos:
            videos[text.video] = _Group(record.place)
            grouped.append((text.video, videos[text.video]))
        group, flaw_of_text = videos[text.video], text.flaw()
        if flaw_of_text:
            group.dropped.append(f"{record.place}: {flaw_of_text}")
        else:
            group.records.append(text.record())
    return grouped


def _row(
    video: str,
    group: _Group,
    annotations: Path,
    folder: MediaFolder,
    noun: str,
    names: Sequence[str],
    whole: Whole,
    meta: Mapping[str, Any],
) -> Row | BadRow:
    if not group.records:
        what = f"video {video!r} has no usable {noun} ({'; '.join(group.dropped)}); correct it or accept the loss"
        return BadRow.at(group.place, annotations, NO_TEXT, what)
    try:
        path = folder.find(names, names)
    except MediaNotFound as error:
        what = f"video {video!r} with {len(group.records)} {noun}(s): {error}"
        return BadRow.at(group.place, annotations, NO_MEDIA, what)
    texts = tuple(whole(group.records))
    return Row(group.place, make_key(video), texts, {"id": video, **meta}, path, dropped=tuple(group.dropped))
