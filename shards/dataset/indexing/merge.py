"""Join the indexes of several parts of one dataset, made on several machines: `python -m shards merge` as a function.

Promises: the result is what one run of the indexer over all tars would have written. Parts that lie at different
roots, looked at different things, or disagree about a shard are refused by name, and so are parts i/n (part.py) of
which one is missing; no tar is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shards.base.errors import DatasetError, WrongPlace
from shards.base.redact import shown
from shards.dataset.index.files import DATASET_FILE
from shards.dataset.index.index import Index
from shards.dataset.indexing.earlier_runs import check_replaceable
from shards.dataset.indexing.index_report import IndexReport
from shards.dataset.indexing.missing_facts import index_command
from shards.dataset.indexing.part import check_parts, find_parts
from shards.dataset.indexing.publish import Header, Piece, is_own, pieces_of, publish_index
from shards.dataset.members.rules import MemberRules
from shards.dataset.tars.pattern import normal_place
from shards.dataset.writing.open_target import open_target
from shards.storage.open import open_source


def merge(out: str, parts: Sequence[str] = (), name: str | None = None, roots: Sequence[str] = ()) -> IndexReport:
    """Write the index of all shards of `parts` to `out`, which may be one of them or the folder of the tars.

    parts: none: those that `--shard i/n` made below `out`.

    roots: where the parts may lead beside their own places (shards/storage/roots.py).

    Raises WrongPlace for parts that are not there or do not belong together; DatasetError, SourceError, WriteError.
    """
    places = [normal_place(part) for part in parts] or find_parts(normal_place(out))
    opened = [Index.open(open_source(place), roots) for place in places]
    headers = [_header(place, part) for place, part in zip(places, opened, strict=True)]
    pieces: dict[str, Piece] = {}
    damaged: dict[str, str] = {}
    for place, part, header in zip(places, opened, headers, strict=True):
        for what in ("root", "checksums", "media", "rules"):
            first, other = (_said(getattr(each, what)) for each in (headers[0], header))
            if first != other:
                lacking = part if first else opened[0]
                remedy = (
                    f"index the part that lacks them again: {index_command(lacking)}"
                    if what in ("checksums", "media")
                    else "merge parts of one dataset that were indexed with the same options"
                )
                raise WrongPlace(f"{place}: {what} is {other!r}, but {first!r} in {places[0]}; {remedy}")
        for shard, piece in pieces_of(part).items():
            if shard in pieces and pieces[shard].entry != piece.entry:
                raise DatasetError(f"{place}: differs from another part about {shard}; index it again")
            pieces[shard] = piece
        damaged.update(header.provenance.get("left_out", {}))
    check_parts(places, [header.provenance for header in headers])
    if not pieces:
        why = next(iter(damaged.values()), "index them again")
        raise DatasetError(f"{places[0]}: none of the {len(places)} parts has a shard; {why}")
    damaged = {shard: reason for shard, reason in sorted(damaged.items()) if shard not in pieces}
    walks = [int(header.provenance.get("walk", 0)) for header in headers]
    root = headers[0].root
    assert root is not None
    target = open_target(normal_place(out))
    try:
        if DATASET_FILE in target.list():
            check_replaceable(target)
        in_order = [pieces[shard] for shard in sorted(pieces)]
        header = headers[0]._replace(
            name=name or headers[0].name,
            root=None if shown(target.address) == root else root,
            provenance={"merged": len(places), "left_out": damaged, "walk": min(walks)},
        )
        reasons = publish_index(target, header, in_order)
        return IndexReport.of(header, target.url, root, in_order, 0, damaged, 0, reasons)
    finally:
        target.release()


def _said(value: Any) -> Any:
    return value.options() if isinstance(value, MemberRules) else value


def _header(place: str, part: Index) -> Header:
    """The header of a part, its root spelled out."""
    if not is_own(part.dataset):
        raise WrongPlace(f"{place}: was not made by indexing; merge indexes that `python -m shards index` wrote")
    provenance = part.dataset["provenance"]
    root = shown(part.dataset.get("root") or place)
    return Header(part.dataset["name"], root, part.verified, bool(provenance.get("media")), provenance, part.rules)
