"""MosaicML Streaming datasets (MDS): a folder with index.json and shard.00000.mds ..., compressed or not.

Where the folder holds splits (train/index.json), --split names one. Values are read as tools/containers/mds.py says:
media are columns of bytes, jpeg, png, or a list of pictures (a frame sample), or of paths under --media. A shard that
is missing, cut off or has another checksum than the index costs its samples. Columns of pickles are refused.
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
from tools.containers.mds import PICKLED, read_index, read_shard
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
    """MDS folders of MosaicML Streaming.

    Give the folder with index.json, or one with a folder for each split and --split. Sizes and checksums are compared
    with the index.
    """
    check_folder(data, "the folder of an MDS dataset, with its index.json")
    folder = split_folder(data, "index.json", split)
    shards = read_index(folder)
    if not shards:
        raise AnnotationError(f"{folder / 'index.json'}: names no shards; give the index of a split that has some")
    names = [name for name, _, _ in shards[0].columns]
    for shard in shards:
        if shard.columns != shards[0].columns:
            what = f"{shard.name} has other columns than {shards[0].name}; write the dataset again with the same"
            raise AnnotationError(f"{folder / 'index.json'}: {what}")
    skip = left_out(leave_out, names, folder)
    pickled = (name for name, encoding, _ in shards[0].columns if encoding in PICKLED and name not in skip)
    refuse_pickled(pickled, folder)
    columns = choose_columns([name for name in names if name not in skip], folder, media_column, text_column, id_column)
    table = TableRows(columns, folder, media_folder(media))
    read = [RecordFile(shard.name, shard.num_samples, read_shard(shard, skip)) for shard in shards]
    return table.rows_of_files(read, "sample")
