"""Datasets to rearrange, and what a dataset holds, however its shards are cut."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from shards.dataset.index.index import Index
from shards.dataset.writing.writer import DatasetWriter
from shards.media.facts import KeyFrames
from shards.media.probe import probe_table
from shards.storage.open import open_source
from tests.shards.foreign_tars import CLIP, picture


def write_ours(folder: Path, name: str = "ours", keys: range = range(10)) -> Path:
    """A dataset of ours in shards of three: pictures, and a clip at every fifth key."""
    clip = CLIP.read_bytes()
    clip_facts, clip_table = probe_table(clip, "x.mp4")
    with DatasetWriter(folder, name, 3, provenance={"from": name}, key_frames=True, licence=f"{name}'s") as writer:
        for number in keys:
            records = [{"caption": f"{record} of {number}, naïve"} for record in range(1 + number % 2)]
            if number % 5:
                media, ext, (facts, table) = picture(number), "jpg", probe_table(picture(number), "x.jpg")
            else:
                media, ext, facts, table = clip, "mp4", clip_facts, clip_table
            writer.write(f"k{number:02d}", media, ext, records, {"id": number}, facts, KeyFrames.of(table))
    return folder


def members(folder: Path | str) -> dict[str, bytes]:
    """Name -> bytes of all members of all tars of a folder; a name that comes twice is an error."""
    found: dict[str, bytes] = {}
    for path in sorted(Path(folder).glob("*.tar")):
        with tarfile.open(path) as tar:
            for info in tar:
                assert info.name not in found, info.name
                file = tar.extractfile(info)
                assert file is not None
                found[info.name] = file.read()
    return found


def known(place: Path | str) -> dict[str, Any]:
    """Key -> all that an index says of a sample, but where it lies."""
    index = Index.open(open_source(place))
    found: dict[str, Any] = {}
    for shard in range(len(index.shards)):
        rows = index.rows(shard)
        for row, key in enumerate(rows.keys):
            listed = [(member.ext, member.size, member.checksum) for member in rows.members(row)]
            found[key] = listed, int(rows.num_records[row]), rows.facts(row), index.gop_table(shard, row)
    return found


def keys(place: Path | str) -> list[str]:
    """The keys of a dataset in its order."""
    index = Index.open(open_source(place))
    return [key for shard in range(len(index.shards)) for key in index.rows(shard).keys]


def contents(folder: Path) -> dict[str, bytes]:
    """Name -> bytes of all files of a folder and those below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
