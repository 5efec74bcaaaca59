"""What Energon keeps in .nv-meta about a folder of tars: splits, counts of samples, and which member is what.

- split.yaml or split.json: {"split_parts": {"train": [tars, with braces], ...}, "exclude": [tars, or TAR/KEY]}
- .info.json or .info.yaml: {"shard_counts": {tar: samples}}
- dataset.yaml or dataset.json: {"sample_type", "field_map": {"image": "jpg", "caption": "json[caption]"}}

megatron-energon 7.4, energon/flavors/webdataset. Promises: names of tars lead nowhere but into the folder; nothing is
imported: a sample_loader, which is Python code, is not run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tools.containers.files import inside, read_json, read_yaml
from tools.containers.samples.braces import expanded
from tools.json_files.splits import split_name
from tools.rows import AnnotationError, OptionError

_FOLDER = ".nv-meta"
_MAX_YAML = 1 << 26
_MAX_NAMES = 1 << 20
"""Tars of a split, and names that are excluded."""
_MAX_SAMPLES = 1 << 40
"""Samples of a tar; no tar has as many."""
_MEDIA_FIELDS = ("video", "videos", "image", "images", "frames")
_TEXT_FIELDS = ("caption", "text", "texts")
_ACCESS = re.compile(r"([^\[\]]+)((?:\[[^\[\]]+\])*)")


class Tar(NamedTuple):
    """A tar of the split."""

    name: str
    path: Path
    num_samples: int | None
    """None: not said."""
    excluded: frozenset[str]
    """Keys."""


def tars_of_split(folder: Path, split: str | None) -> list[Tar]:
    """The tars of a split. Raises AnnotationError, OptionError."""
    meta = folder / _FOLDER
    if not meta.is_dir():
        raise OptionError(
            f"{folder}: has no {_FOLDER}, so it is no Energon dataset; `build webdataset` reads plain tars"
        )
    path, splits = _read(meta, "split")
    parts = splits.get("split_parts") if isinstance(splits, dict) else None
    if not isinstance(parts, dict) or not parts or not all(isinstance(names, list) for names in parts.values()):
        raise AnnotationError(f"{path}: expected split_parts with a list of tars for each; run `energon prepare` again")
    name = split_name(path, [str(part) for part in parts], split)
    excluded = set(_expanded(splits.get("exclude") or [], path))
    counts = _counts(meta)
    tars = []
    for tar in _expanded(parts[name], path):
        if tar not in excluded:
            keys = frozenset(entry[len(tar) + 1 :] for entry in excluded if entry.startswith(f"{tar}/"))
            tars.append(Tar(tar, inside(folder, tar, path), counts.get(tar), keys))
    if not tars:
        raise AnnotationError(f"{path}: the split {name} has no tars; give another --split")
    return tars


def members_of(folder: Path) -> tuple[dict[str, str], bool]:
    """(options for `member_rules` from the field_map, True if dataset.yaml names Python code in its place).

    Raises AnnotationError.
    """
    meta = folder / _FOLDER
    if not any((meta / f"dataset.{suffix}").is_file() for suffix in ("yaml", "json")):
        return {}, False
    path, about = _read(meta, "dataset")
    if not isinstance(about, dict):
        raise AnnotationError(f"{path}: expected an object with sample_type and field_map; correct it")
    fields = about.get("field_map")
    if not isinstance(fields, Mapping):
        return {}, "sample_loader" in about
    options: dict[str, str] = {}
    media = next((fields[name] for name in _MEDIA_FIELDS if isinstance(fields.get(name), str)), None)
    if media is not None:
        options["media_members"] = media
    text = next((fields[name] for name in _TEXT_FIELDS if isinstance(fields.get(name), str)), None)
    if text is not None:
        found = [_ACCESS.fullmatch(one.strip()) for one in text.split(",")]
        named = [match for match in found if match is not None]
        options["text_members"] = ",".join(dict.fromkeys(match[1] for match in named)) or text
        inner = [".".join(re.findall(r"\[([^\[\]]+)\]", match[2])) for match in named if match[2]]
        if inner:
            options["text_field"] = ",".join(inner)
    return options, False


def _counts(meta: Path) -> Mapping[str, int]:
    if not any((meta / f".info.{suffix}").is_file() for suffix in ("json", "yaml")):
        return {}
    path, info = _read(meta, ".info")
    counts = info.get("shard_counts") if isinstance(info, dict) else None
    if not isinstance(counts, dict) or not all(_is_count(count) for count in counts.values()):
        raise AnnotationError(f"{path}: expected shard_counts with a number for each tar; run `energon prepare` again")
    return counts


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_SAMPLES


def _expanded(names: Iterable[Any], path: Path) -> list[str]:
    """Names with braces, as "shard_{000..009}.tar", one by one. Raises AnnotationError."""
    found: list[str] = []
    try:
        for name in names:
            found += expanded(str(name), _MAX_NAMES - len(found))
    except (ValueError, TypeError) as error:
        raise AnnotationError(f"{path}: {name!r} cannot be expanded ({error}); correct it") from error
    return found


def _read(meta: Path, name: str) -> tuple[Path, Any]:
    """(file, value) of NAME.json or NAME.yaml. Raises AnnotationError."""
    path = meta / f"{name}.json"
    if path.is_file():
        return path, read_json(path)
    path = meta / f"{name}.yaml"
    return path, read_yaml(path, _MAX_YAML, "run `energon prepare` on the folder")
