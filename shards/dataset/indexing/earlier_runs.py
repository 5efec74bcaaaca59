"""Results of earlier runs over the same tars: a finished index, or the records of a run that was stopped.

Both are used only if they were made with the same options for the same place; otherwise every tar is read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from shards.base.errors import DatasetError, WrongPlace
from shards.base.json_text import load_json
from shards.base.redact import shown
from shards.dataset.index.files import DATASET_FILE, FORMAT_VERSION
from shards.dataset.index.index import Index
from shards.dataset.indexing.publish import Header, Piece, is_own, pieces_of
from shards.dataset.indexing.tar_record import read_record
from shards.dataset.members.rules import UNWRITTEN
from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar_samples import WALK
from shards.dataset.writing.conversion import CONVERSION_FILE
from shards.dataset.writing.target import UNFINISHED, Target

_RUN_FILE = "indexing.json"
"""File in unfinished/ with the options of the run."""


def pieces_before(target: Target, root: str, header: Header) -> tuple[dict[str, Piece], list[str], dict[str, int]]:
    """(shard name -> its piece of the finished index at `target`, why there is none, remarks with a number of samples).

    An index that was made with other options has no pieces: every tar is read again. Raises WrongPlace, DatasetError if
    the dataset there was not made by indexing.
    """
    files = target.list()
    if CONVERSION_FILE in target.list_unfinished():
        raise WrongPlace(f"{target.url}: holds an unfinished conversion; finish it, it makes its own index")
    if DATASET_FILE not in files:
        return {}, [], {}
    check_replaceable(target)
    notes: dict[str, int] = {}
    try:
        opened = Index.open(target.source, [root])
        if opened.rules not in (header.rules, UNWRITTEN):
            before = opened.rules.options() or "none of these options"
            note = f"were in the index before, which was made with {before}; this one is made with other options"
            notes[note] = int(opened.dataset["num_samples"])
        others = [*_differences(opened, header)]
        return {} if others else pieces_of(opened), others, notes
    except (DatasetError, KeyError):
        # The run stopped while it put the index in place; every tar is read again.
        return {}, ["is not whole"], notes


def _differences(opened: Index, header: Header) -> Iterator[str]:
    """Each reason why an index holds other things than this run would write."""
    provenance = opened.dataset["provenance"]
    if provenance["headers"] == header.checksums:
        yield "was made from headers only, without checksums" if header.checksums else "has checksums"
    if provenance["media"] != header.media:
        yield "has no media facts" if header.media else "has media facts (without --no-media they are kept)"
    if provenance.get("walk") != WALK:
        yield "was made by an older version"
    if opened.rules != header.rules:
        yield "was made with other options for members"
    if opened.dataset.get("root") != header.root:
        yield "is of tars in another place"


def unfinished_pieces(target: Target, root: str, looks: Looks) -> dict[str, Piece]:
    """Shard name -> the piece of each tar that a stopped run finished. Records of other options are removed."""
    options = {**looks._asdict(), "rules": looks.rules.model_dump(mode="json"), "walk": WALK}
    settings = {"root": shown(root), **options, "format_version": FORMAT_VERSION}
    leftover = target.list_unfinished()
    try:
        before = load_json(target.unfinished.read(_RUN_FILE)) if _RUN_FILE in leftover else None
    except ValueError:
        before = None
    if before != settings:
        target.clear()
        target.put(f"{UNFINISHED}/{_RUN_FILE}", json.dumps(settings).encode())
        return {}
    pieces = (read_record(target.unfinished, name) for name in leftover if name.endswith(".arrow"))
    return {piece.entry.name: piece for piece in pieces if piece is not None}


def check_replaceable(target: Target) -> None:
    """Refuse to write over a dataset that was not made by indexing. Raises DatasetError, WrongPlace."""
    path = f"{target.url}/{DATASET_FILE}"
    try:
        content = load_json(target.source.read(DATASET_FILE))
    except ValueError as error:
        raise DatasetError(f"{path}: not valid json ({error}); remove it to index these tars") from error
    if not isinstance(content, dict) or not is_own(content):
        raise WrongPlace(
            f"{path}: the tars here were written with an index of their own, which knows more; "
            "give another place with --out to index them there"
        )
