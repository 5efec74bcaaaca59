"""Croissant metadata of a dataset: `croissant.json` beside dataset.json, which search engines and loaders read.

Promises: JSON-LD of Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html), written without any
library; a test reads it with mlcroissant. Files of the index are told with their sha256. Croissant knows sha256 and md5
only, and our tars have XXH3_128, so the tars are told as a set of files and their checksums stand in shards.parquet,
whose sha256 vouches for them. Nothing is claimed of a licence that dataset.json does not state.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shards.dataset import DATASET_FILE, Index
from shards.media import IMAGE_EXTENSIONS
from shards.storage import address_of, is_remote, local_path, open_filesystem, open_source
from tools.trust.texts import TEXT_FIELDS

CROISSANT_FILE = "croissant.json"
_PIECE = 1 << 24
_PARQUET, _JSON, _TAR = "application/x-parquet", "application/json", "application/x-tar"
_COLUMNS = {
    "key": "sc:Text",
    "kind": "sc:Text",
    "codec": "sc:Text",
    "width": "sc:Integer",
    "height": "sc:Integer",
    "num_frames": "sc:Integer",
    "fps": "sc:Float",
    "duration": "sc:Float",
    "num_records": "sc:Integer",
}
"""Columns of index.parquet with their Croissant types."""
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in ("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract")
    },
    **{
        name: f"cr:{name}"
        for name in ("field", "fileProperty", "fileObject", "fileSet", "format", "includes", "isArray")
    },
    **{name: f"cr:{name}" for name in ("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet")},
    **{name: f"cr:{name}" for name in ("references", "regex", "repeated", "replace", "samplingRate", "separator")},
    **{name: f"cr:{name}" for name in ("source", "subField", "transform")},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}


def write_croissant(address: str, roots: Sequence[str] = ()) -> str:
    """Write the Croissant metadata of the dataset in a folder or at a URL, beside its dataset.json; returns its place.

    A file that says the same is left as it is. Raises DatasetError, SourceError, OSError.
    """
    index = Index.open(open_source(address, roots), roots)
    content = (json.dumps(croissant(index), indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
    place = address_of(index.source)
    if is_remote(place):
        files, prefix = open_filesystem(place)
        files.pipe_file(f"{prefix}/{CROISSANT_FILE}", content)
    else:
        path = Path(local_path(place)) / CROISSANT_FILE
        if not (path.is_file() and path.read_bytes() == content):
            aside = path.with_name(f".{CROISSANT_FILE}.unfinished")
            aside.write_bytes(content)
            os.replace(aside, path)
    return f"{index.source.url}/{CROISSANT_FILE}"


def croissant(index: Index) -> dict[str, Any]:
    """The metadata of a dataset as JSON-LD. Raises DatasetError, SourceError."""
    about = index.dataset
    provenance = about.get("provenance")
    provenance = provenance if isinstance(provenance, Mapping) else {}
    licence = about.get("licence") or provenance.get("licence")
    extensions = _extensions(index)
    media_type = "sc:ImageObject" if extensions and set(extensions) <= set(IMAGE_EXTENSIONS) else "sc:VideoObject"
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": str(about["name"]),
        "description": _describe(about, provenance),
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        **({} if not licence else {"license": licence if isinstance(licence, str) else json.dumps(licence)}),
        "version": f"1.0.0+{about['fingerprint']}",
        "distribution": [
            _file(index, DATASET_FILE, _JSON, "name, counts, fingerprint, provenance"),
            _file(index, "shards.parquet", _PARQUET, "a row per tar, with its XXH3_128 in the column checksum"),
            _file(index, "index.parquet", _PARQUET, "a row per sample: key, byte ranges, checksums, media facts"),
            {
                "@type": "cr:FileSet",
                "@id": "tars",
                "name": "tars",
                "description": "WebDataset tars; checksums and sizes are in shards.parquet.",
                "encodingFormat": _TAR,
                "includes": "*.tar",
            },
            _members("texts", ["*.json"], _JSON, "The text records of each sample."),
            *([_members("media", [f"*.{ext}" for ext in extensions], "application/octet-stream", "The media.")]),
        ],
        "recordSet": [_index_records(), *_member_records(media_type)],
    }


def _describe(about: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    made = " ".join(str(provenance.get(name)) for name in ("tool", "dataset") if provenance.get(name))
    texts = f", {about['num_elements']:,} texts" if about["num_elements"] >= 0 else ""
    return f"{about['num_samples']:,} samples{texts} in {about['num_shards']:,} WebDataset tars with an index" + (
        f", made by {made}." if made else "."
    )


def _extensions(index: Index) -> list[str]:
    """Extensions of the media of the first shard that has samples."""
    for shard in range(len(index.shards)):
        if index.shards.num_samples[shard]:
            rows = index.rows(shard)
            media = (rows.medium(row) for row in range(len(rows.keys)))
            return sorted({medium.ext for medium in media if medium is not None})
    return []


def _file(index: Index, name: str, form: str, description: str) -> dict[str, Any]:
    digest, offset = hashlib.sha256(), 0
    while piece := index.source.read(name, offset, _PIECE):
        digest.update(piece)
        offset += len(piece)
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": description,
        "contentUrl": name,
        "contentSize": f"{offset} B",
        "encodingFormat": form,
        "sha256": digest.hexdigest(),
    }


def _members(name: str, includes: list[str], form: str, description: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "containedIn": {"@id": "tars"},
        "encodingFormat": form,
        "includes": includes or ["*"],
    }


def _index_records() -> dict[str, Any]:
    """The rows of index.parquet."""
    return {
        "@type": "cr:RecordSet",
        "@id": "index",
        "name": "index",
        "description": "What the index knows of each sample, without its texts and media.",
        "field": [
            _field("index", name, kind, {"fileObject": {"@id": "index.parquet"}, "extract": {"column": name}})
            for name, kind in _COLUMNS.items()
        ],
    }


def _member_records(media_type: str) -> list[dict[str, Any]]:
    """The members of the tars: texts and media, joined by their key."""

    def key(files: str) -> dict[str, Any]:
        name = {"extract": {"fileProperty": "filename"}, "transform": {"regex": "^([^.]+)\\."}}
        return {"fileSet": {"@id": files}, **name}

    def text(name: str) -> dict[str, Any]:
        source = {"fileSet": {"@id": "texts"}, "extract": {"jsonPath": f"$.records[*].{name}"}}
        return {**_field("sample_texts", name, "sc:Text", source), "isArray": True, "arrayShape": "-1"}

    content = {"fileSet": {"@id": "media"}, "extract": {"fileProperty": "content"}}
    references = {"references": {"field": {"@id": "sample_texts/key"}}}
    return [
        {
            "@type": "cr:RecordSet",
            "@id": "sample_texts",
            "name": "sample_texts",
            "description": "The text records of each sample, from the member KEY.json.",
            "field": [_field("sample_texts", "key", "sc:Text", key("texts")), *map(text, TEXT_FIELDS)],
        },
        {
            "@type": "cr:RecordSet",
            "@id": "sample_media",
            "name": "sample_media",
            "description": "The medium of each sample, the member KEY.EXT.",
            "field": [
                {**_field("sample_media", "key", "sc:Text", key("media")), **references},
                _field("sample_media", "media", media_type, content),
            ],
        },
    ]


def _field(record_set: str, name: str, kind: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "dataType": kind,
        "source": source,
    }
