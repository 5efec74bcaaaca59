"""LitData datasets: a folder with index.json and chunk-0-0.bin ..., as `optimize` writes it, compressed or not.

Where the folder holds splits (train/index.json), --split names one. Leaves are read as tools/containers/litdata.py
says: media are leaves of bytes, jpeg, image, video, file or jpeg_array (a frame sample), or of paths under --media. A
chunk that is missing or cut off costs its items. Leaves of pickles, encrypted chunks and chunks of tokens are refused.
"""

from __future__ import annotations

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
    refuse_pickled,
)
from tools.containers.files import check_folder
from tools.containers.litdata import PICKLED, read_chunk, read_index
from tools.containers.splits import split_folder
from tools.containers.table_rows import RecordFile, TableRows, media_folder
from tools.rows import AnnotationError, CountedRows


def rows(
    data: DataPath,
    media: MediaRoot = None,
    split: SplitName = None,
    media_column: MediaColumn = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    leave_out: LeaveOut = None,
) -> CountedRows:
    """LitData folders of chunks.

    Give the folder with index.json, or one with a folder for each split and --split. Columns are the leaves of an item.
    """
    check_folder(data, "the folder of a LitData dataset, with its index.json")
    folder = split_folder(data, "index.json", split)
    index = read_index(folder)
    if not index.chunks:
        raise AnnotationError(f"{folder / 'index.json'}: names no chunks; give the index of a split that has some")
    names = [name for name, _ in index.leaves]
    skip = left_out(leave_out, names, folder)
    refuse_pickled((name for name, form in index.leaves if form in PICKLED and name not in skip), folder)
    columns = choose_columns([name for name in names if name not in skip], folder, media_column, text_column, id_column)
    table = TableRows(columns, folder, media_folder(media))
    read = [RecordFile(name, count, read_chunk(index, path, count, skip)) for name, path, count in index.chunks]
    return table.rows_of_files(read, "item")
