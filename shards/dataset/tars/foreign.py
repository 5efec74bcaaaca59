"""Name the format of a file or folder that is neither a tar nor a dataset of ours, in one line with what to do.

Promises: only a few bytes and names are read, nothing is loaded or followed; an unknown format gives "".
"""

from __future__ import annotations

import os
from fnmatch import fnmatch

from shards.base.errors import SourceError
from shards.base.json_text import load_json
from shards.media.pictures.first_bytes import LFS_POINTER, answer, archive, compression
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Source

_ANSWERS = {
    "html": "an HTML page, often that of a login or an error; fetch the tar again",
    "xml": "an XML text, often the error of a store; fetch the tar again",
    "json": "a JSON text, often the error of a server; fetch the tar again",
}


def kind_of_file(head: bytes) -> str:
    """The format of a file by its first bytes, and what to do, to follow "it is"; "" if not known."""
    if head.startswith(LFS_POINTER):
        return "a git-lfs pointer in place of the file; fetch it: git lfs pull"
    if head.startswith(b"/annex/objects/"):
        return "a git-annex pointer in place of the file; fetch it: git annex get"
    if packed := compression(head):
        return f"{packed.partition(' ')[2]} compressed, not a plain tar; unpack it first"
    if other := archive(head):
        return f"{other} archive, not a tar; unpack it and pack it as a tar"
    if head.startswith(b"PAR1"):
        return "a parquet file, not a tar; convert it: python -m tools build parquet"
    said = answer(head)
    return _ANSWERS[said] if said and b"\0" not in head else ""


ENERGON = (
    "an Energon dataset (.nv-meta): its tars are indexed as WebDataset tars, its splits and settings are not used; "
    "python -m tools build energon uses them"
)
_TO_TARS = "read it with its own reader, write its samples with webdataset.TarWriter, and index those tars"
_BUILD = "convert it: python -m tools build"
_MAX_INDEX = 1 << 24
"""A longer index.json is not parsed."""
_ENDINGS = (
    ("*.mds*", f"holds a MosaicML (MDS) dataset; {_BUILD} mds"),
    ("*.tar.*", "holds compressed tars; unpack them first, e.g. with gunzip or unzstd"),
    ("*.tgz", "holds compressed tars; unpack them first, e.g. with gunzip"),
    ("*.beton", "holds FFCV files, which are read as they are: name one as the path of a dataset"),
    ("*.tfrecord*", f"holds TFRecords; {_BUILD} t2vlp_tfrecord"),
    ("*.parquet", f"holds parquet files; {_BUILD} parquet"),
    ("*.arrow", f"holds arrow files; {_BUILD} hf_datasets"),
    ("data.mdb", f"holds an LMDB; {_TO_TARS}"),
    ("*.zip", "holds zips; unpack them and pack each as a tar"),
)


def kind_of_folder(source: Source) -> str:
    """The format of a folder or URL prefix without tars, and what to do; "" if not known."""
    try:
        names = source.list()
    except SourceError:
        return ""  # the caller could not list it either, and reports why
    kind = _kind_of_names(source, names)
    if kind:
        return f"the folder {kind}"
    energon = "the folder is an Energon dataset (.nv-meta)" if is_energon(source.url) else ""
    below = {folder: open_source(os.path.join(source.url, folder)) for folder in _folders(source)}
    with_tars = [folder for folder, inside in below.items() if inside.list(".tar")]
    if with_tars:
        found = energon or "no tars lie in the folder"
        return f"{found}, but in folders below it ({', '.join(with_tars[:5])}): index each, and blend them"
    if energon:
        return f"{energon} and its tars lie elsewhere: index the folder of the tars"
    for folder, inside in below.items():
        kind = _kind_of_names(inside, inside.list())
        if kind:
            return f"the folder {folder} in it {kind}"
    return ""


def is_energon(folder: str) -> bool:
    """True if a local folder of tars has Energon's own files beside them."""
    return os.path.isdir(os.path.join(folder, ".nv-meta"))


def _kind_of_names(source: Source, names: list[str]) -> str:
    kind = _kind_by_index(source) if "index.json" in names else ""
    return kind or next((what for ending, what in _ENDINGS if any(fnmatch(name, ending) for name in names)), "")


def _kind_by_index(source: Source) -> str:
    try:
        content = load_json(source.read("index.json", 0, _MAX_INDEX), _MAX_INDEX)
    except (SourceError, ValueError):
        return ""  # not an index of a known format
    if not isinstance(content, dict):
        return ""
    if isinstance(content.get("chunks"), list):
        return f"holds a LitData dataset; {_BUILD} litdata"
    if isinstance(content.get("shards"), list):
        return f"holds a MosaicML (MDS) dataset; {_BUILD} mds"
    if isinstance(content.get("shardlist"), list):
        return "holds the index of a WebDataset (wids) without its tars; index the folder that its urls name"
    return ""


def _folders(source: Source) -> list[str]:
    """Readable folders inside a local folder; none of a URL, where listing takes long."""
    if not isinstance(source, LocalSource):
        return []
    with os.scandir(source.url) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and os.access(entry.path, os.R_OK | os.X_OK))
