"""Rows from records with named values, as tables and binary containers have them.

Promises: every record ends as a Row or a BadRow. The id is that of its column, else the number of the record in the
container. What a record holds besides medium and text goes into the json of the sample as far as json can say it:
texts, numbers, lists and objects of them; bytes and arrays are left out, NaN and infinities become null.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from shards.dataset import look_up
from shards.media import MEDIA_EXTENSIONS
from tools.containers.columns import Columns
from tools.containers.files import Damaged
from tools.containers.media_values import Medium, NoMedium, medium_of
from tools.lookup import MediaFolder, MediaNotFound
from tools.rows import (
    MALFORMED,
    NO_MEDIA,
    NO_TEXT,
    BadRow,
    CountedRows,
    OptionError,
    Row,
    caption_records,
    make_key,
)

_DEEPEST = 8
_RENAMED = {"records": "records_field", "dropped_records": "dropped_records_field", "id": "id_field"}
"""Fields of a sample's json that have a meaning of their own."""


Records = Iterable[tuple[int, Mapping[str, Any] | Damaged]]


Texts = tuple[tuple[dict[str, Any], ...], tuple[str, ...]]
"""Text records of a medium, and why others are left out."""


class RecordFile(NamedTuple):
    """One file of a container."""

    name: str
    """For places."""
    num_records: int | None
    """Records that it is said to hold; None: not known."""
    records: Records
    """Read when they are drawn; TableRows.rows_of_file says what they are."""


class TableRows(NamedTuple):
    """Makes the rows of one container."""

    columns: Columns
    container: Path
    """For reasons."""
    folder: MediaFolder | None = None
    """Where media lie that a record names instead of holding them."""

    def row(self, place: str, number: int, values: Mapping[str, Any], texts: Texts | None = None) -> Row | BadRow:
        """The row of a record. place: names file and record; number: of the record in the container, from 0. texts: in
        the place of the captions of its column.

        Raises OptionError if media are files and there is no folder of media.
        """
        columns = self.columns
        identifier = f"{number:09d}" if columns.identifier is None else _plain_id(look_up(values, columns.identifier))
        if not identifier:
            what = f"no id in the column {columns.identifier!r}; name another --id-column, or correct it"
            return self.bad(place, MALFORMED, what)
        records, dropped = caption_records(look_up(values, columns.text)) if texts is None else texts
        if not records:
            why = "; ".join(dropped) or "empty list"
            what = f"no usable text in the column {columns.text!r} ({why}); write one or accept the loss"
            return self.bad(place, NO_TEXT, what)
        held = look_up(values, columns.media)
        try:
            medium = medium_of(held)
            path = None if isinstance(medium, Medium) else self._find(medium, isinstance(held, str))
        except (NoMedium, MediaNotFound) as error:
            category = error.category if isinstance(error, NoMedium) else NO_MEDIA
            return self.bad(place, category, f"column {columns.media!r}: {error}")
        meta = {"id": identifier, **self._meta(values)}
        left_out = tuple(f"{place}: {why}" for why in dropped)
        if isinstance(medium, Medium):
            key = make_key(identifier)
            return Row(place, key, records, meta, media=medium.data, ext=medium.ext, dropped=left_out)
        return Row(place, make_key(identifier), records, meta, path, dropped=left_out)

    def rows_of_files(self, files: Sequence[RecordFile], noun: str) -> CountedRows:
        """The rows of all files of a container, one after the other. noun: what a record of this form is called."""

        def found() -> Iterator[Row | BadRow]:
            before = 0
            for name, count, records in files:
                before += yield from self.rows_of_file(name, count, before, records, noun)

        return CountedRows(found(), sum(count or 0 for _, count, _ in files))

    def rows_of_file(
        self, name: str, count: int | None, before: int, records: Records, noun: str
    ) -> Generator[Row | BadRow, None, int]:
        """The rows of one file of a container; returns the number of its records.

        count: records that the file is said to hold; None: not known. records: (number in the file from 0, values or
        what is wrong with them); raises Damaged where nothing more can be read, for which each record that is left
        answers. before: records of the files before. noun: what a record of this form is called.
        """
        done = 0
        why = Damaged(f"the file holds fewer {noun}s than the index says; fetch both again")
        try:
            for number, values in records:
                place = f"{name} {noun} {number + 1}"
                if count is not None and number >= count:
                    yield self.bad(place, MALFORMED, f"the index says that the file holds {count}; write it again")
                elif isinstance(values, Damaged):
                    yield self.bad(place, values.category, str(values))
                else:
                    yield self.row(place, before + number, values)
                done = number + 1
        except Damaged as flaw:
            why = flaw
            if count is None:
                yield self.bad(f"{name} from {noun} {done + 1} on", flaw.category, str(flaw))
        for number in range(done, count or 0):
            yield self.bad(f"{name} {noun} {number + 1}", why.category, str(why))
        return done if count is None else count

    def bad(self, place: str, category: str, what: str) -> BadRow:
        """A record that gives no sample."""
        return BadRow.at(place, self.container, category, what)

    def _find(self, path: str, is_column_of_paths: bool) -> Path:
        if self.folder is None:
            what = f"holds no bytes but paths or addresses ({path[:80]!r}); give the folder of the media with --media"
            if is_column_of_paths:
                raise OptionError(f"{self.container}: the column {self.columns.media!r} {what}")
            raise NoMedium(what, NO_MEDIA)
        return self.folder.find(address=path)

    def _meta(self, values: Mapping[str, Any]) -> dict[str, Any]:
        used = {self.columns.media, self.columns.text, self.columns.identifier}
        meta = {}
        for name, value in values.items():
            if name not in used and value is not None:
                said = _as_json(value)
                if said is not _ABSENT:
                    meta[_RENAMED.get(name, name)] = said
        return meta


_ABSENT = object()


def _as_json(value: Any, depth: int = 0) -> Any:
    """The value as json can hold it; _ABSENT if it cannot."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if depth < _DEEPEST and isinstance(value, list | tuple):
        found = [_as_json(one, depth + 1) for one in value]
        return [one for one in found if one is not _ABSENT] if found else found
    if depth < _DEEPEST and isinstance(value, dict):
        pairs = ((str(name), _as_json(one, depth + 1)) for name, one in value.items())
        return {name: one for name, one in pairs if one is not _ABSENT}
    return _ABSENT


def _plain_id(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas writes ids so in a column with gaps
    return str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""


def media_folder(path: Path | None) -> MediaFolder | None:
    """The folder of --media, if it is given."""
    return None if path is None else MediaFolder(path, MEDIA_EXTENSIONS)
