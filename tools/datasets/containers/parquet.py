"""Hugging Face's parquet files, and others with a record per row: a file, or a folder of files.

Media are columns of bytes, of {"bytes", "path"} (the features Image and Video), of lists of either (a frame sample), or
of paths or addresses under --media. Splits are told by the names of the files ("train-00000-of-00005.parquet"), or the
folders around them. A file that is damaged costs its records. Rows are decoded page by page, so that memory is flat
whatever the size of a row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tools.containers.arrow import parquet_look, parquet_records
from tools.containers.columns import (
    DataPath,
    IdColumn,
    LeaveOut,
    MediaColumn,
    MediaRoot,
    SplitName,
    TextColumn,
    choose_columns,
    left_out,
)
from tools.containers.files import Damaged
from tools.containers.split_files import split_files
from tools.containers.table_rows import TableRows, media_folder
from tools.rows import AnnotationError, BadRow, CountedRows, Row


def rows(
    data: DataPath,
    media: MediaRoot = None,
    split: SplitName = None,
    media_column: MediaColumn = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    leave_out: LeaveOut = None,
) -> CountedRows:
    """Parquet files with media, as on Hugging Face.

    Give a file, or a folder with files and --split where their names say several.
    """
    files = split_files(data, ".parquet", split)
    looks = [_look(path) for path in files]
    names = next((names for names, count in looks if count is not None), None)
    if names is None:
        raise AnnotationError(f"{data}: none of the {len(files)} files can be read as parquet; fetch them again")
    skip = left_out(leave_out, names, data)
    wanted = [name for name in names if name not in skip]
    columns = choose_columns(wanted, data, media_column, text_column, id_column)
    table = TableRows(columns, data, media_folder(media))

    def found() -> Iterator[Row | BadRow]:
        before = 0
        for path, (_, count) in zip(files, looks, strict=True):
            name = path.name if data.is_file() else str(path.relative_to(data))
            before += yield from table.rows_of_file(name, count, before, parquet_records(path, wanted), "row")

    return CountedRows(found(), sum(count or 0 for _, count in looks))


def _look(path: Path) -> tuple[list[str], int | None]:
    """The columns and the number of records of a file; no number if it is damaged."""
    try:
        return parquet_look(path)
    except Damaged:
        return [], None  # reading its records says why
