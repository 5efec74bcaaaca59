"""Read annotation files as streams of records, each with its place in the file.

Promises: csv, tsv, jsonl and parquet are never loaded whole. A broken line costs that line only: after a csv record
with broken quoting, or one whose stray quote has swallowed others, reading goes on at the next physical line. Every
record of a file becomes a Record or a BadRow. Line numbers are those of an editor; the header is line 1. Lines end with
LF, CRLF or CR; text is UTF-8 or UTF-16. Of a pickle plain values and data frames are read and nothing is run
(tools/pickles/). A file that cannot be used at all raises AnnotationError with the remedy.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from tools.csv_lines import CsvLines
from tools.pickles.frames import Frame
from tools.pickles.reading import load_pickle
from tools.record import Record
from tools.rows import MALFORMED, AnnotationError, BadRow, OptionError
from tools.swallowed import KnownColumns
from tools.text_files import open_text

PICKLES = (".pkl", ".pickle", ".p")
TABLES = (".csv", ".jsonl", ".parquet")


def check_file(path: Path) -> None:
    """Raise AnnotationError unless `path` is a readable file with something in it."""
    try:
        if path.is_dir():
            raise OptionError(f"{path}: is a folder; --annotations wants the annotation file itself")
        with open(path, "rb") as file:
            if not file.read(1):
                raise AnnotationError(f"{path}: the file is empty; fetch it again")
    except FileNotFoundError:
        raise OptionError(f"{path}: no such file; check --annotations") from None
    except OSError as error:
        what = "check where the link leads" if error.errno == errno.ELOOP else "check its permissions"
        raise AnnotationError(f"{path}: cannot be read: {error.strerror}; {what}") from error


def about_records(path: Path) -> int:
    """Estimate the number of records of a table without parsing it: its newlines, or what a parquet file states; 0 for
    a pickle."""
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return int(pq.read_metadata(path).num_rows)
        except (pa.ArrowInvalid, OSError):
            return 0  # not a parquet file: _parquet_records raises for it
    if path.suffix.lower() in PICKLES:
        return 0
    count = -1 if path.suffix.lower() == ".csv" else 0
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            count += block.count(b"\n") or block.count(b"\r")
    return count


Columns = dict[str, tuple[str, ...]]
"""Meaning of a column -> the names that it may have in a file."""


def table_records(
    path: Path, required: Columns, optional: Columns | None = None, suffixes: Sequence[str] = TABLES
) -> Iterator[Record | BadRow]:
    """Records of a table by its suffix; csv, parquet and data frames must have the `required` columns.

    suffixes: those of the forms in which the set is distributed, of which .csv, .jsonl and .parquet are read here. A
    pickle of any set is read: a data frame, or a list or object of records.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv" and suffix in suffixes:
        return _csv_records(path, required)
    if suffix == ".jsonl" and suffix in suffixes:
        return _jsonl_records(path)
    if suffix == ".parquet" and suffix in suffixes:
        return _parquet_records(path, required, optional or {})
    if suffix in PICKLES:
        return _pickle_records(path, required)
    raise AnnotationError(
        f"{path}: cannot tell the form from {suffix or 'a name without suffix'}; rename or convert it to one of "
        f"{', '.join(dict.fromkeys((*suffixes, '.json')))}"
    )


def _csv_records(path: Path, required: Columns) -> Iterator[Record | BadRow]:
    """Records of a csv with a header line: RFC 4180 quoting, so captions may hold commas, quotes and newlines.

    A header with tabs means a file separated by tabs, whatever its name.
    """
    with _open_text(path) as file:
        delimiter = "\t" if "\t" in file.readline() else ","
        file.seek(0)
        lines = _csv_lines(path, file, delimiter)
        header: list[str] = []
        for first in lines:
            if isinstance(first, BadRow):
                raise AnnotationError(f"{path}: the header line cannot be parsed: {first.reason}; correct it")
            header = [name.strip() for name in first[1]]
            break
        _check_columns(path, header, required)
        for line in lines:
            if isinstance(line, BadRow):
                yield line
                continue
            place, fields = line
            if len(fields) != len(header):
                what = f"{len(fields)} columns, the header has {len(header)}; put quotes around a caption with commas"
                yield BadRow.at(place, path, MALFORMED, what)
            else:
                yield Record(place, dict(zip(header, fields, strict=True)))


def _csv_lines(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[str, list[str]] | BadRow]:
    """(place, fields) per record, the header first.

    Where quoting is broken or a quote swallows records, the first line is reported and reading goes on at the second.
    """
    lines = CsvLines(file, delimiter)
    header: list[str] | None = None
    columns: KnownColumns | None = None
    done = 0  # lines that are read
    while (read := lines.read()) is not None:
        place, error = f"line {done + 1}", read.error and f"broken csv ({read.error})"
        if not error and header is not None and len(read.lines) > 1:
            columns = columns or _known_columns(path, delimiter, len(header))
            if columns.hold_records(read.lines, delimiter) or columns.end_too_early(read.lines, read.fields, delimiter):
                closes = done + len(read.lines)
                error = f"a quote opens here and closes in line {closes}, and what lies between looks like records"
        if error:
            what = f"{error}; fix the quotes on this line (a quote inside a field is written twice)"
            yield BadRow.at(place, path, MALFORMED, what)
            lines.read_again(read.lines[1:])
            done += 1
            continue
        done += len(read.lines)
        if read.fields:
            header = header or read.fields
            yield place, read.fields


def _known_columns(path: Path, delimiter: str, num_columns: int) -> KnownColumns:
    """The forms of the columns of a file, from its first records."""

    def records() -> Iterator[list[str]]:
        with _open_text(path) as file:
            file.readline()
            lines = CsvLines(file, delimiter)
            while (read := lines.read()) is not None:
                if len(read.fields) == num_columns and not read.error:
                    yield read.fields
                elif len(read.lines) > 1:  # perhaps a quote that has drawn in good records
                    lines.read_again(read.lines[1:])

    return KnownColumns(records(), num_columns)


def _jsonl_records(path: Path) -> Iterator[Record | BadRow]:
    """Records of a file with one JSON object per line; blank lines are no records."""
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            place = f"line {number}"
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BadRow.at(place, path, MALFORMED, f"not JSON ({error}); expected one object per line")
                continue
            if isinstance(values, dict):
                yield Record(place, values)
            else:
                what = f"expected a JSON object, found {type(values).__name__}"
                yield BadRow.at(place, path, MALFORMED, what)


def tsv_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of a tsv without quoting rules, as Conceptual Captions and VIOLET write it."""
    with _open_text(path) as file:
        for number, line in enumerate(file, 1):
            yield number, line.rstrip("\r\n").split("\t")


def _parquet_records(path: Path, required: Columns, optional: Columns) -> Iterator[Record | BadRow]:
    """Records of a parquet file; places are "row N", the first being row 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise AnnotationError(f"{path}: not a parquet file ({error}); convert or fetch it again") from error
    with table:
        names = table.schema_arrow.names
        _check_columns(path, names, required)
        known = {name for spellings in (*required.values(), *optional.values()) for name in spellings}
        wanted = [name for name in names if name in known]
        number = 0
        for batch in table.iter_batches(batch_size=4096, columns=wanted):
            for values in batch.to_pylist():
                number += 1
                yield Record(f"row {number}", values)


def _pickle_records(path: Path, required: Columns) -> Iterator[Record | BadRow]:
    """Records of a pickled data frame, or list or object of records; loaded whole."""
    value = load_pickle(path)
    if not isinstance(value, Frame):
        yield from json_records(path, value, "text")
        return
    _check_columns(path, list(value.columns), required)
    for number, values in enumerate(value.records(), 1):
        yield Record(f"row {number}", values)


def load_value(path: Path) -> Any:
    """The value of a .json or of a pickle, data frames (also one for each split) as lists of rows. Raises
    AnnotationError."""
    if path.suffix.lower() not in PICKLES:
        return load_json(path)
    value = load_pickle(path)
    if isinstance(value, dict):
        return {key: _rows(part) for key, part in value.items()}
    return _rows(value)


def _rows(value: Any) -> Any:
    return list(value.records()) if isinstance(value, Frame) else value


def load_json(path: Path) -> Any:
    """The value of a JSON file, loaded whole. Raises AnnotationError if it is not JSON or names a key twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in values if names.count(name) > 1)
            raise AnnotationError(f"{path}: the key {twice!r} stands twice in one object; join the two entries")
        return values

    try:
        return json.loads(path.read_bytes(), object_pairs_hook=unique)
    except AnnotationError:
        raise
    except FileNotFoundError:
        raise OptionError(f"{path}: no such file; check the path") from None
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}: not JSON ({error}); fetch or convert it again") from error
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error


def json_records(path: Path, entries: Any, noun: str, within: str = "") -> Iterator[Record | BadRow]:
    """Records of a list or object of entries with a `noun` each; places are "entry 3", of an object "entry 'key'"."""
    if isinstance(entries, dict):
        return (_entry(path, f"{within}entry {key!r}", entry, noun) for key, entry in entries.items())
    if isinstance(entries, list):
        return (_entry(path, f"{within}entry {number}", entry, noun) for number, entry in enumerate(entries, 1))
    raise AnnotationError(
        f"{path}: expected a list or object of {noun}s, found {type(entries).__name__}; give the published file"
    )


def _entry(path: Path, place: str, entry: Any, noun: str) -> Record | BadRow:
    if isinstance(entry, dict):
        return Record(place, entry)
    return BadRow.at(place, path, MALFORMED, f"expected an object with a {noun}, found {type(entry).__name__}")


def _open_text(path: Path) -> TextIO:
    check_file(path)
    if path.suffix.lower() in PICKLES:
        raise AnnotationError(f"{path}: is a pickle, and this set is read from lines of text; give the published file")
    return open_text(path)


def _check_columns(path: Path, header: list[str], required: Columns) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise AnnotationError(f"{path} line 1: the header names {', '.join(twice)} twice; rename one of the columns")
    missing = [" or ".join(spellings) for spellings in required.values() if not set(spellings) & set(header)]
    if missing:
        raise AnnotationError(
            f"{path} line 1: the header lacks {'; '.join(missing)}; it has {', '.join(header)[:200] or 'nothing'}; "
            "name the columns there (any order)"
        )
