"""TFRecords of tf.train.Example, as T2VLP keeps WebVid's frames; no TensorFlow is needed.

- T2VLP: path-00000.tfrecord ... with the feature "image", 12 frames of a clip as raw pixels (uint8, 12 x 256 x 256 x 3,
  BGR), and path.index, a text file with "vid<TAB>path<TAB>byte" for each record; captions from
  frozen_train_labels.json ([{"video_id", "caption"}]) or WebVid's csv. Frames become a frame sample of JPEGs.
- Others: the feature holds one encoded picture or video, or several pictures (a frame sample); text and id are features
  of the record, or come from the files above.

--data is the .index, a .tfrecord, or a folder of them. Checksums of lengths and data are verified
(tools/containers/tfrecords/records.py says what a broken one costs).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.containers.columns import (
    TEXT_BESIDE,
    DataPath,
    IdColumn,
    MediaColumn,
    SplitName,
    TextColumn,
    choose_columns,
)
from tools.containers.files import Damaged
from tools.containers.media_values import NoMedium, with_extension
from tools.containers.table_rows import TableRows
from tools.containers.texts_by_id import TextsById
from tools.containers.tfrecords.example import parse_example
from tools.containers.tfrecords.raw_frames import frames_of_pixels
from tools.containers.tfrecords.record_index import IndexLine, RecordIndex
from tools.containers.tfrecords.records import TfRecord, read_records
from tools.lookup import MediaFolder, MediaNotFound
from tools.rows import MALFORMED, NO_MEDIA, NO_TEXT, AnnotationError, BadRow, CountedRows, OptionError, Row

CaptionsFile = Annotated[
    Path | None,
    typer.Option(help="Captions by id (.json, .csv, .jsonl, .parquet); else texts are features of a record."),
]


def rows(
    data: DataPath,
    annotations: CaptionsFile = None,
    split: SplitName = None,
    media_column: MediaColumn = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    frame_side: Annotated[int, typer.Option(min=8, max=4096, help="Pixels of a side of raw frames.")] = 256,
    frame_quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of raw frames.")] = 90,
) -> CountedRows:
    """TFRecords with media, as T2VLP has them.

    Give T2VLP's path.index (or its folder) with --annotations frozen_train_labels.json; or .tfrecord files whose
    records hold text and medium. Columns are features of a record.
    """
    index, files = _inputs(data)
    if annotations is None and split is not None:
        raise OptionError(f"--split {split} is for --annotations that hold several splits; give them")
    texts = None if annotations is None else TextsById(annotations, split)
    folder = MediaFolder(data if data.is_dir() else data.parent, ("tfrecord",))
    if index is not None:
        files = []
        for entry in index.by_file():
            if isinstance(entry, tuple):
                try:
                    files = [folder.find(address=entry[0])]
                    break
                except MediaNotFound:
                    continue  # its lines say so when they are read
    features = _first_features(files, data)
    id_column = "vid" if index is not None else id_column
    names = [*features, *(["vid"] if index is not None and "vid" not in features else [])]
    columns = choose_columns(names, data, media_column, text_column, id_column, texts_beside=texts is not None)
    reader = _Reader(TableRows(columns, data), texts, frame_side, frame_quality)
    found = reader.plain(files) if index is None else reader.indexed(index, folder)
    about = index.num_lines if index is not None else 0
    return CountedRows(found, about)


class _Reader:
    """Makes rows of records."""

    def __init__(self, table: TableRows, texts: TextsById | None, frame_side: int, quality: int) -> None:
        self._table, self._texts, self._frame_side, self._quality = table, texts, frame_side, quality

    def plain(self, files: list[Path]) -> Iterator[Row | BadRow]:
        """The rows of files whose records say what they are."""
        numbers = count()
        for path in files:
            done = 0
            try:
                for record in read_records(path):
                    done += 1
                    yield self._row(f"{path.name} record {done}", next(numbers), record, None)
            except Damaged as flaw:
                yield self._table.bad(f"{path.name} from record {done + 1} on", flaw.category, str(flaw))
        if self._texts is not None:
            yield from self._texts.left(self._table.container)

    def indexed(self, index: RecordIndex, folder: MediaFolder) -> Iterator[Row | BadRow]:
        """The rows of the records that an index names."""
        for entry in index.by_file():
            if isinstance(entry, BadRow):
                yield entry
                continue
            file, lines = entry
            try:
                path = folder.find(address=file)
            except MediaNotFound as error:
                yield from (BadRow.at(line.place, index.path, NO_MEDIA, f"{line.vid!r}: {error}") for line in lines)
                continue
            waiting = {line.offset: line for line in reversed(lines)}
            taken: dict[int, IndexLine] = {}
            why = f"is not the begin of a record of {path.name}; fetch both again, or make the index again"
            try:
                for number, record in enumerate(read_records(path), 1):
                    line = waiting.pop(record.offset, None)
                    place = f"{path.name} record {number}"
                    if line is not None:
                        taken[line.offset] = line
                        yield self._row(place, number, record, line.vid)
                    else:
                        what = f"no line of {index.path.name} names byte {record.offset}; make the index again"
                        yield self._table.bad(place, MALFORMED, what)
            except Damaged as flaw:
                why = f"cannot be reached in {path.name}: {flaw}"
            for line in lines:
                if line.offset not in taken:
                    yield BadRow.at(line.place, index.path, MALFORMED, f"{line.vid!r}: byte {line.offset} {why}")
                elif taken[line.offset] is not line:
                    what = f"{line.vid!r}: byte {line.offset} stands in {taken[line.offset].place} already; correct it"
                    yield BadRow.at(line.place, index.path, MALFORMED, what)
        if self._texts is not None:
            yield from self._texts.left(self._table.container)

    def _row(self, place: str, number: int, record: TfRecord, vid: str | None) -> Row | BadRow:
        try:
            if isinstance(record.data, Damaged):
                raise record.data
            values = self._values(parse_example(record.data), vid)
        except (Damaged, NoMedium) as flaw:
            return self._table.bad(place, flaw.category, str(flaw))
        if self._texts is not None:
            column = self._table.columns.identifier
            identifier = str(values.get(column or "", ""))
            values[TEXT_BESIDE] = self._texts.captions(identifier)
            if values[TEXT_BESIDE] is None:
                return self._table.bad(place, NO_TEXT, self._texts.none_for(identifier))
        return self._table.row(place, number, values)

    def _values(self, features: Mapping[str, list[Any]], vid: str | None) -> dict[str, Any]:
        """Values by column. Raises NoMedium."""
        columns = self._table.columns
        values: dict[str, Any] = {name: _as_value(found) for name, found in features.items() if name != columns.media}
        media = features.get(columns.media, [])
        values[columns.media] = media[0] if len(media) == 1 else media or None
        if len(media) == 1 and isinstance(media[0], bytes):
            values[columns.media] = {"bytes": self._file_of(media[0]), "path": None}
        if vid is not None:
            values["vid"] = vid
        return values

    def _file_of(self, data: bytes) -> bytes:
        """The bytes of a feature if they are a file, else the frame sample of raw pixels."""
        if data and len(data) % (3 * self._frame_side**2) == 0:
            try:
                with_extension(data)
            except NoMedium:
                return frames_of_pixels(data, self._frame_side, self._quality).data
        return data


def _as_value(found: list[Any]) -> Any:
    """One value, or a list of several; bytes that are text as text."""
    values = [_as_text(value) if isinstance(value, bytes) else value for value in found]
    return values[0] if len(values) == 1 else values or None


def _as_text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _inputs(data: Path) -> tuple[RecordIndex | None, list[Path]]:
    """The index, or the files where there is none."""
    if data.suffix == ".index":
        return RecordIndex(data), []
    if data.is_file():
        return None, [data]
    if not data.is_dir():
        raise OptionError(f"{data}: no such file or folder; check --data")
    indices = sorted(data.glob("*.index"))
    files = sorted(path for path in data.iterdir() if ".tfrecord" in path.name and path.is_file())
    if len(indices) > 1:
        raise OptionError(f"{data}: holds {len(indices)} .index files; give one as --data")
    if not files:
        raise OptionError(f"{data}: holds no .tfrecord files; check --data")
    return (RecordIndex(indices[0]), []) if indices else (None, files)


def _first_features(files: list[Path], data: Path) -> Mapping[str, list[Any]]:
    """The features of the first record that can be read. Raises AnnotationError if there is none."""
    why = "names no file that is there" if not files else "holds no records"
    for path in files:
        try:
            for record in read_records(path):
                if isinstance(record.data, Damaged):
                    why = f"{path.name}: {record.data}"
                    continue
                return parse_example(record.data)
        except Damaged as flaw:
            why = f"{path.name}: {flaw}"
    raise AnnotationError(f"{data}: no record can be read ({why}); check --data")
