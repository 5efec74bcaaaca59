"""What img2dataset and video2dataset write: tars of a medium with .txt and .json, or folders of the same files.

- output_format=webdataset: 00000.tar ...; other people's tars, too, with the options of `shards index`.
- output_format=files: 00000/000000000.jpg, .txt, .json ....
- beside both: 00000.parquet (a row per address: url, caption, status, error_message) and 00000_stats.json.

The caption is that of the json, else the txt (tools/containers/samples/texts.py says what else is kept). Rows of the
parquet whose download failed, or whose sample is not there, are quarantined with their address and reason. To use tars
where they lie, `shards index` needs no copy; this makes shards of ours, deduplicated by key, transcoded if wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from shards.media import MEDIA_EXTENSIONS
from tools.containers.columns import DataPath
from tools.containers.samples.download_log import failed_downloads
from tools.containers.samples.rules import (
    KeyFrom,
    KeyPrefix,
    KeyUntil,
    MediaMembers,
    TextField,
    TextMembers,
    member_rules,
    tar_in_key,
)
from tools.containers.samples.sample_rows import SampleRows
from tools.rows import BadRow, CountedRows, OptionError, Row


def rows(
    data: DataPath,
    media_members: MediaMembers = None,
    text_members: TextMembers = None,
    text_field: TextField = None,
    key_until: KeyUntil = None,
    key_from: KeyFrom = None,
    key_prefix: KeyPrefix = None,
) -> CountedRows:
    """WebDataset tars, folders of img2dataset.

    Give a .tar, a folder with .tar files, or one with folders of media, texts and jsons, as img2dataset and
    video2dataset write them.
    """
    maker = SampleRows(
        member_rules(media_members, text_members, text_field, key_until, key_from), data, tar_in_key(key_prefix)
    )
    tars = _tars(data)
    folders = [] if tars else _folders(data)
    if not tars and not folders:
        raise OptionError(f"{data}: holds neither .tar files nor folders of media; unpack compressed tars first")

    def found() -> Iterator[Row | BadRow]:
        for path in tars:
            keys: set[str] = set()
            name = path.name if data.is_file() else str(path.relative_to(data))
            yield from maker.of_tar(path, name, keys)
            yield from failed_downloads(path.with_suffix(""), keys, data)
        for path in folders:
            keys = set()
            yield from maker.of_folder(path, "" if path == data else str(path.relative_to(data)), keys)
            yield from failed_downloads(path, keys, data)

    return CountedRows(found(), 0)


def _tars(data: Path) -> list[Path]:
    if data.is_file():
        return [data]
    if not data.is_dir():
        raise OptionError(f"{data}: no such file or folder; check --data")
    return sorted(path for path in data.rglob("*.tar") if path.is_file())


def _folders(data: Path) -> list[Path]:
    """The folders with media: `data` itself, and those in it."""
    with os.scandir(data) as entries:
        inner = sorted(data / entry.name for entry in entries if entry.is_dir())
    return [folder for folder in (data, *inner) if _has_media(folder)]


def _has_media(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name.rpartition(".")[2].lower() in MEDIA_EXTENSIONS for entry in entries)
