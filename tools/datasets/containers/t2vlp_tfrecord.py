"""TFRecords of tf.train.Example, as T2VLP keeps WebVid's frames; no TensorFlow is needed.

- T2VLP: path-00000.tfrecord ... with the feature "image", 12 frames of a clip as raw pixels (uint8, 12 x 256 x 256 x 3,
  BGR), and path.index, a text file with "vid<TAB>path<TAB>byte" for each record; captions from
  frozen_train_labels.json ([{"video_id", "caption"}]) or WebVid's csv. Frames become a frame sample of RGB pictures, by
  default WebPs without loss, because a JPEG would change what T2VLP trains on and PNG is no picture of a frame sample.
- Others: the feature holds one encoded picture or video, or several pictures (a frame sample); text and id are features
  of the record, or come from the files above.

--data is the .index, a .tfrecord, or a folder of them. Checksums of lengths and data are verified
(tools/containers/tfrecords/records.py says what a broken one costs).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
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
from tools.containers.tfrecords.raw_frames import OTHER_SIDE, RawFrames, frames_of_pixels
from tools.containers.tfrecords.record_index import IndexLine, RecordIndex
from tools.containers.tfrecords.records import TfRecord, read_records
from tools.lookup import MediaFolder, MediaNotFound
from tools.rows import MALFORMED, NO_MEDIA, NO_TEXT, AnnotationError, BadRow, CountedRows, OptionError, Row

CaptionsFile = Annotated[
    Path | None,
    typer.Option(help="Captions by id (.json, .csv, .jsonl, .parquet); else texts are features of a record."),
]

FrameSide = Annotated[
    int | None,
    typer.Option(
        min=8, max=4096, help="Pixels of a side of raw frames, any number of them.  [default: T2VLP's, 12 of 256]"
    ),
]
FrameQuality = Annotated[
    int | None, typer.Option(min=1, max=100, help="JPEG quality of raw frames.  [default: WebP without loss]")
]


def rows(
    data: DataPath,
    annotations: CaptionsFile = None,
    split: SplitName = None,
    media_column: MediaColumn = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    frame_side: FrameSide = None,
    frame_quality: FrameQuality = None,
) -> CountedRows:
    """TFRecords with media, as T2VLP has them.

    Give T2VLP's path.index (or its folder) with --annotations frozen_train_labels.json; or .tfrecord files whose
    records hold text and medium. Columns are features of a record.
    """
    index, files = _inputs(data)
    if annotations is None and split is not None:
        raise OptionError(f"--split {split} is for --annotations that hold several splits; give them")
    texts = None if annotations is None else TextsById(annotations, split)
    if texts is not None:
        texts.refuse_none()
    folder = MediaFolder(data if data.is_dir() else data.parent, ("tfrecord",))
    features = _first_features(files if index is None else _named_files(index, folder), data)
    if index is not None and texts is None and len(features) == 1:
        what = "its records hold no texts; give them with --annotations, as frozen_train_labels.json"
        raise OptionError(f"{index.path}: {what}")
    id_column = "vid" if index is not None else id_column
    names = [*features, *(["vid"] if index is not None and "vid" not in features else [])]
    columns = choose_columns(names, data, media_column, text_column, id_column, texts_beside=texts is not None)
    if texts is not None and columns.identifier is None:
        what = "its records hold no id by which --annotations have a text; give the .index as --data, or --id-column"
        raise OptionError(f"{data}: {what}")
    form = RawFrames() if frame_side is None else RawFrames(frame_side, None)
    reader = _Reader(TableRows(columns, data), texts, form, frame_quality)
    if index is None:
        return CountedRows(reader.plain(files), 0)
    return CountedRows(reader.indexed(index, folder, files), index.num_lines)


class _Reader:
    """Makes rows of records."""

    def __init__(self, table: TableRows, texts: TextsById | None, form: RawFrames, quality: int | None) -> None:
        self._table, self._texts, self._form, self._quality = table, texts, form, quality

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

    def indexed(self, index: RecordIndex, folder: MediaFolder, files: list[Path]) -> Iterator[Row | BadRow]:
        """The rows of the records that an index names. files: those that it should name."""
        named: set[Path] = set()
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
            named.add(path)
            yield from self._of_file(index, path, lines)
        for path in files:
            if path not in named:
                what = f"no line names {path.name}; make the index again, or move the file away"
                yield BadRow.at(path.name, index.path, MALFORMED, what)
        if self._texts is not None:
            yield from self._texts.left(self._table.container)

    def _of_file(self, index: RecordIndex, path: Path, lines: list[IndexLine]) -> Iterator[Row | BadRow]:
        waiting = {line.offset: line for line in reversed(lines)}
        taken: dict[int, IndexLine] = {}
        begins: list[int] = []
        flaw_of_file, read = "", 0
        try:
            for number, record in enumerate(read_records(path), 1):
                begins.append(record.offset)
                read = record.end
                line = waiting.pop(record.offset, None)
                place = f"{path.name} record {number}"
                if line is not None:
                    taken[line.offset] = line
                    yield self._row(place, number, record, line.vid)
                else:
                    what = f"no line of {index.path.name} names byte {record.offset}; make the index again"
                    yield self._table.bad(place, MALFORMED, what)
        except Damaged as flaw:
            flaw_of_file = f"cannot be reached in {path.name}: {flaw}"
        for line in lines:
            if line.offset not in taken:
                is_lost = flaw_of_file and line.offset >= read
                what = flaw_of_file if is_lost else _not_the_begin(line.offset, path, begins)
                yield BadRow.at(line.place, index.path, MALFORMED, f"{line.vid!r}: byte {line.offset} {what}")
            elif taken[line.offset] is not line:
                what = f"{line.vid!r}: byte {line.offset} stands in {taken[line.offset].place} already; correct it"
                yield BadRow.at(line.place, index.path, MALFORMED, what)

    def _row(self, place: str, number: int, record: TfRecord, vid: str | None) -> Row | BadRow:
        if self._texts is not None and vid is not None:
            self._texts.captions(vid)  # a text whose record is damaged has a medium: it is not told a second time
        try:
            values = self._values(_features(record), vid)
        except (Damaged, NoMedium) as flaw:
            return self._table.bad(place, flaw.category, str(flaw) if vid is None else f"{vid!r}: {flaw}")
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
            values[columns.media] = {"bytes": self._file_of(media[0], vid is not None), "path": None}
        if vid is not None:
            values["vid"] = vid
        return values

    def _file_of(self, data: bytes, is_indexed: bool) -> bytes:
        """The bytes of a feature if they are a file, else the frame sample of raw pixels. is_indexed: as T2VLP's are,
        whose pixels may begin as a file does. Raises NoMedium."""
        if not (is_indexed and self._form.fits(data)):
            try:
                with_extension(data)
                return data
            except NoMedium as flaw:
                if data and not self._form.fits(data):
                    raise NoMedium(f"{flaw}, and its {len(data):,} bytes are not {self._form}; {OTHER_SIDE}") from None
        return frames_of_pixels(data, self._form, self._quality).data


def _as_value(found: list[Any]) -> Any:
    """One value, or a list of several; bytes that are text as text."""
    values = [_as_text(value) if isinstance(value, bytes) else value for value in found]
    return values[0] if len(values) == 1 else values or None


def _as_text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _not_the_begin(offset: int, path: Path, begins: list[int]) -> str:
    """What lies at a byte where no record begins. begins: of all records of the file."""
    size, before = path.stat().st_size, bisect(begins, offset)
    where = f"but inside record {before}, from byte {begins[before - 1]}" if before else "which holds no records"
    if offset >= size:
        where = f"but behind its end ({size:,} bytes)"
    return f"is not the begin of a record of {path.name}, {where}; fetch both again, or make the index again"


def _named_files(index: RecordIndex, folder: MediaFolder) -> Iterator[Path]:
    """The files of an index that are there; its lines say of the others when they are read."""
    for entry in index.by_file():
        if isinstance(entry, tuple):
            with suppress(MediaNotFound):
                yield folder.find(address=entry[0])


def _inputs(data: Path) -> tuple[RecordIndex | None, list[Path]]:
    """The index, if there is one, and the files that are there; none for an index that is given by name, because it may
    be that of a split."""
    if not data.exists():
        raise OptionError(f"{data}: no such file or folder; check --data")
    if not data.is_dir():
        return (RecordIndex(data), []) if data.suffix == ".index" else (None, [data])
    indices = sorted(data.glob("*.index"))
    files = sorted(path for path in data.iterdir() if ".tfrecord" in path.name and path.is_file())
    if len(indices) > 1:
        raise OptionError(f"{data}: holds {len(indices)} .index files; give one as --data")
    if not files:
        raise OptionError(f"{data}: holds no .tfrecord files; check --data")
    return (RecordIndex(indices[0]) if indices else None), files


def _first_features(files: Iterable[Path], data: Path) -> Mapping[str, list[Any]]:
    """The features of the first record that can be read. Raises AnnotationError if there is none."""
    why = ""
    for path in files:
        why = why or "holds no records"
        try:
            for record in read_records(path):
                try:
                    if features := _features(record):
                        return features
                except Damaged as flaw:
                    why = f"{path.name}: {flaw}"
        except Damaged as flaw:
            why = f"{path.name}: {flaw}"
    raise AnnotationError(f"{data}: no record can be read ({why or 'names no file that is there'}); check --data")


def _features(record: TfRecord) -> Mapping[str, list[Any]]:
    """Raises Damaged."""
    if isinstance(record.data, Damaged):
        raise record.data
    return parse_example(record.data)
