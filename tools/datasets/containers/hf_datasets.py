"""Folders that `datasets.save_to_disk` writes: state.json, dataset_info.json and data-00000-of-00001.arrow ...

A DatasetDict is a folder with dataset_dict.json and a folder for each split, of which --split names one. Media are
columns of the features Image and Video, of bytes, of lists of either (a frame sample), or of paths under --media. A
file that is damaged costs its records. Files are mapped into memory, so that it is flat whatever they hold.
"""

from __future__ import annotations

from pathlib import Path

from tools.containers.arrow import look_over, stream_look, stream_records
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
from tools.containers.files import check_folder, inside, read_json
from tools.containers.splits import split_folder
from tools.containers.table_rows import RecordFile, TableRows, media_folder
from tools.rows import AnnotationError, CountedRows, OptionError

_STATE = "state.json"


def rows(
    data: DataPath,
    media: MediaRoot = None,
    split: SplitName = None,
    media_column: MediaColumn = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    leave_out: LeaveOut = None,
) -> CountedRows:
    """Folders of Hugging Face datasets' save_to_disk.

    Give the folder of a Dataset, or that of a DatasetDict and --split.
    """
    check_folder(data, "the folder that save_to_disk wrote, with its state.json or dataset_dict.json")
    if not any(data.glob(_STATE)) and not any(data.glob(f"*/{_STATE}")):
        raise OptionError(
            f"{data}: has no {_STATE}, nor has a folder in it; a cache of `datasets` is not read: write it with "
            "save_to_disk, or as parquet with to_parquet"
        )
    folder = split_folder(data, _STATE, split)
    files = _files(folder)
    names, counts = look_over(files, stream_look, folder, "; write the dataset again")
    skip = left_out(leave_out, names, folder)
    wanted = [name for name in names if name not in skip]
    columns = choose_columns(wanted, folder, media_column, text_column, id_column)
    table = TableRows(columns, folder, media_folder(media))
    read = [RecordFile(path.name, n, stream_records(path, wanted)) for path, n in zip(files, counts, strict=True)]
    return table.rows_of_files(read, "record")


def _files(folder: Path) -> list[Path]:
    """The Arrow files that a state.json names. Raises AnnotationError."""
    path = folder / _STATE
    state = read_json(path)
    entries = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise AnnotationError(f"{path}: names no files of data; write the dataset again with save_to_disk")
    if state.get("_indices_data_files"):
        raise AnnotationError(
            f"{path}: the records are chosen by a list of indices; call flatten_indices() before save_to_disk"
        )
    return [inside(folder, entry.get("filename"), path) for entry in entries]
