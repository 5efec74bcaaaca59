"""Open the dataset at a path that a user typed; where there is none, the error says what is there and what to type."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shards.base.errors import MissingFile, SourceError, UsageError
from shards.base.printing import say
from shards.dataset.index.files import DATASET_FILE
from shards.dataset.index.index import Index
from shards.dataset.indexing.missing_facts import missing_facts
from shards.dataset.tars.foreign import kind_of_folder
from shards.storage.addresses import checked, is_remote, parent
from shards.storage.open import open_source
from shards.storage.source import Source

_NUM_NAMED = 8
"""Datasets that a message names."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """An opened dataset."""

    address: str
    """Its address with credentials; not to be shown."""
    index: Index
    roots: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address as it may be shown."""
        return self.index.source.url

    @property
    def name(self) -> str:
        return str(self.index.dataset["name"])

    @property
    def shards(self) -> Source:
        """The source of its shards."""
        return self.index.shard_source

    @property
    def verified(self) -> bool:
        """True if the index holds checksums of every byte."""
        return self.index.verified


def open_dataset(path: str, verb: str = "stats", roots: Sequence[str] | None = None) -> Dataset:
    """Open the dataset at a path. Raises UsageError when there is none; DatasetError, SourceError as Index.open.

    verb: the one that is running, for the command that the message gives. roots: shards/storage/roots.py.
    """
    folder, name = parent(checked(path))
    address, roots = folder if name == DATASET_FILE else path, tuple(roots or ())
    source = open_source(address, roots)
    try:
        source.stat(DATASET_FILE)
    except MissingFile as error:
        raise UsageError(_no_dataset(source.url, source, verb)) from error
    return Dataset(address, Index.open(source, roots), roots)


def no_samples(dataset: Dataset, purpose: str) -> str:
    """The message for a dataset without samples."""
    num_quarantined = dataset.index.dataset.get("num_quarantined")
    why = f"; {num_quarantined} are quarantined, quarantine.jsonl there says why" if num_quarantined else ""
    return f"{dataset.url}: has no samples to {purpose}{why}"


def warn_of_missing_facts(index: Index) -> None:
    """Say in one line on stderr what an index lacks that the loader wants, and the command that adds it."""
    if line := missing_facts(index):
        say(f"warning: {line}", sys.stderr)


def _no_dataset(url: str, source: Source, verb: str) -> str:
    """The reason why there is no dataset at a path, and what to type."""
    folder, _, file = url.rpartition("/")
    if file.endswith(".tar") and not os.path.isdir(url):
        shard = f" --shard {file}" if verb == "ls" else ""
        return f"{url}: is one shard, not a dataset; type: python -m shards {verb} {folder or '.'}{shard}"
    if file.endswith(".beton"):
        return f"{url}: is a file of stored frames, not a dataset of shards; source: ffcv reads and checks it"
    try:
        tars = len(source.list(".tar"))
    except SourceError:
        return f"{url}: no dataset here (no folder with this name holds a {DATASET_FILE}); check the path"
    if tars:
        found = f"the folder holds {tars} tars but no {DATASET_FILE}"
        return f"{url}: no dataset here, {found}; make the index of tars with: python -m shards index {url}"
    below = _datasets_below(url)
    if below:
        more = f" and {len(below) - _NUM_NAMED} more" if len(below) > _NUM_NAMED else ""
        names = ", ".join(below[:_NUM_NAMED])
        command = f"python -m shards {verb} {below[0]}"
        return f"{url}: no dataset here, but in folders below it: {names}{more}; type e.g.: {command}"
    kind = kind_of_folder(source)
    if kind:
        return f"{url}: no dataset here: {kind}"
    return (
        f"{url}: no dataset here, the folder holds neither {DATASET_FILE} nor tars; check the path, or make the index "
        "of tars with: python -m shards index FOLDER_OF_TARS"
    )


def _datasets_below(url: str) -> list[str]:
    """Local folders up to two levels below that hold a dataset; none for a URL, because listing it takes long."""
    if is_remote(url):
        return []
    found = (path for pattern in ("*", "*/*") for path in Path(url).glob(f"{pattern}/{DATASET_FILE}"))
    return sorted(str(path.parent) for path in found)
