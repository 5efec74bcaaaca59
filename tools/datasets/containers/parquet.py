"""Hugging Face's parquet files, and others with a record per row: a file, or a folder of files.

Media are columns of bytes, of {"bytes", "path"} (the features Image and Video), of lists of either (a frame sample), or
of paths or addresses under --media. Splits are told by the names of the files ("train-00000-of-00005.parquet"), or the
folders around them. A file that is damaged costs its records. Rows are decoded page by page, so that memory is flat
whatever the size of a row group.
"""

from __future__ import annotations

from tools.containers.arrow import look_over, parquet_look, parquet_records
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
from tools.containers.split_files import split_files
from tools.containers.table_rows import RecordFile, TableRows, media_folder
from tools.rows import CountedRows


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
    names, counts = look_over(files, parquet_look, data, " as parquet; fetch them again")
    skip = left_out(leave_out, names, data)
    wanted = [name for name in names if name not in skip]
    columns = choose_columns(wanted, data, media_column, text_column, id_column)
    table = TableRows(columns, data, media_folder(media))
    read = (
        RecordFile(path.name if data.is_file() else str(path.relative_to(data)), count, parquet_records(path, wanted))
        for path, count in zip(files, counts, strict=True)
    )
    return table.rows_of_files(list(read), "row")
