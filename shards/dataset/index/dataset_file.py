"""dataset.json: name, counts, fingerprint and provenance of a dataset, and which members of its samples are read.

It is written last, so a folder without it holds no finished dataset.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from shards.base.errors import ConfigError, DatasetError, MissingFile, WrongPlace
from shards.base.json_text import load_json
from shards.base.redact import shown
from shards.dataset.index.files import DATASET_FILE, FORMAT_VERSION, REBUILD
from shards.dataset.index.shard_table import ShardEntry, fingerprint, total_records
from shards.dataset.members.rules import UNWRITTEN, MemberRules
from shards.storage.open import open_source
from shards.storage.roots import permitted_root
from shards.storage.source import Source, address_of

MAX_DATASET_BYTES = 1 << 25


def dataset_json(
    name: str,
    shards: Sequence[ShardEntry],
    num_quarantined: int,
    provenance: dict[str, Any],
    root: str | None = None,
    verified: bool = True,
    rules: MemberRules | None = None,
    root_seal: str | None = None,
    content: str | None = None,
    licence: str | None = None,
) -> bytes:
    """The bytes of dataset.json.

    root: the folder of the shards if they do not lie beside it; it is written without credentials. rules: None for tars
    of our own. root_seal: shards/storage/seal.py. content: what `write_index` returned.
    licence: a note about the terms of use.
    """
    said = {
        "format_version": FORMAT_VERSION,
        "name": name,
        **({} if root is None else {"root": shown(root)}),
        **({} if root_seal is None else {"root_seal": root_seal}),
        "num_shards": len(shards),
        "num_samples": sum(shard.num_samples for shard in shards),
        "num_elements": total_records([shard.num_elements for shard in shards]),
        "num_quarantined": num_quarantined,
        "verified": verified,
        **({} if rules is None else {"members": rules.model_dump(mode="json")}),
        "fingerprint": fingerprint(shards),
        **({} if content is None else {"index_content": content}),
        **({} if licence is None else {"licence": licence}),
        "provenance": provenance,
    }
    return (json.dumps(said, indent=2, ensure_ascii=False) + "\n").encode()


def read_dataset(
    source: Source, read: Callable[[], bytes], roots: Sequence[str]
) -> tuple[dict[str, Any], Source, MemberRules]:
    """(content of dataset.json, the folder of the shards, the rules of members). Raises DatasetError.

    read: gives the bytes. roots: folders that the shards may lie in (shards/storage/roots.py).
    """
    content = _read(source, read)
    return content, _open_root(source, content, roots), _read_rules(source, content)


def _read(source: Source, read: Callable[[], bytes]) -> dict[str, Any]:
    """The content of dataset.json, with every field that is needed of its type."""
    path = f"{source.url}/{DATASET_FILE}"
    try:
        content = load_json(read(), MAX_DATASET_BYTES)
    except MissingFile as error:
        raise WrongPlace(
            f"{path}: not found; either no dataset was built here, or its conversion was not finished "
            "(start the same build command again: it goes on where it stopped); tars made elsewhere need an index: "
            "python -m shards index"
        ) from error
    except ValueError as error:
        raise DatasetError(f"{path}: not valid json ({error}); {REBUILD}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: should be an object, is a {type(content).__name__}; {REBUILD}")
    if content.get("format_version") != FORMAT_VERSION:
        raise DatasetError(
            f"{path}: format_version is {content.get('format_version')!r}, this code reads {FORMAT_VERSION}; "
            "use the matching version of the code, or build the dataset again"
        )
    fields = {"name": str, "fingerprint": str, "num_shards": int, "num_samples": int, "num_elements": int}
    for field, kind in fields.items():
        if not isinstance(content.get(field), kind):
            raise DatasetError(
                f"{path}: {field} should be of type {kind.__name__}, is {content.get(field)!r}; {REBUILD}"
            )
    for field, kind in {"root": str, "root_seal": str, "verified": bool, "index_content": str, "licence": str}.items():
        if field in content and not isinstance(content[field], kind):
            raise DatasetError(f"{path}: {field} should be of type {kind.__name__}, is {content[field]!r}; {REBUILD}")
    return content


def _open_root(source: Source, dataset: dict[str, Any], roots: Sequence[str]) -> Source:
    """The folder of the shards: that of the index, or the root that dataset.json names."""
    root = dataset.get("root")
    if root is None:
        return source
    try:
        return open_source(permitted_root(address_of(source), root, dataset.get("root_seal"), roots), roots)
    except ValueError as error:
        path = f"{source.url}/{DATASET_FILE}"
        raise DatasetError(f"{path}: root {shown(root)[:200]!r} is refused: {error}") from None


def _read_rules(source: Source, dataset: dict[str, Any]) -> MemberRules:
    """The rules of members that dataset.json names; an index without them is older than they are."""
    if "members" not in dataset:
        return UNWRITTEN
    try:
        return MemberRules.model_validate(dataset["members"])
    except ConfigError as error:
        raise DatasetError(f"{source.url}/{DATASET_FILE}: members: {error}; {REBUILD}") from error
