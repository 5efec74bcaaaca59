"""What an index over tars of other tools lacks, in one line with the command that adds it."""

from __future__ import annotations

import shlex

from shards.dataset.index.index import Index
from shards.dataset.indexing.part import part_of
from shards.dataset.indexing.publish import is_own
from shards.storage.addresses import below, parent


def missing_facts(index: Index) -> str:
    """What the index lacks that the loader wants, why it matters, and the command that adds it; "" if it has all."""
    if not is_own(index.dataset):
        return ""  # what wrote its tars looked at the media
    lacks = {
        "checksums, so damage shows only when it is decoded": not index.verified,
        "media facts, so no clip can be planned": not index.dataset["provenance"].get("media"),
    }
    found = " and no ".join(what for what, is_missing in lacks.items() if is_missing)
    if not found:
        return ""
    return f"{index.source.url}: the index has no {found}; to add it, each tar is read once: {index_command(index)}"


def index_command(index: Index) -> str:
    """The command that makes this index again, with everything in it."""
    root, out = index.shard_source.url, index.source.url
    provenance = index.dataset.get("provenance")
    pattern = provenance.get("pattern") if isinstance(provenance, dict) else None
    last = pattern.rpartition("/")[2] if isinstance(pattern, str) else ""
    words = ["python", "-m", "shards", "index", below(root, last) if last.endswith(".tar") else root]
    part = part_of(provenance) if isinstance(provenance, dict) else None
    if part is not None:
        words += ["--shard", f"{part.number}/{part.of}"]
        out = parent(parent(out)[0])[0]
    if out != root:
        words += ["--out", out]
    options = index.rules.options()
    return shlex.join(words) + (f" {options}" if options else "")
