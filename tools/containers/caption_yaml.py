"""The YAML with which SwinBERT and LAVENDER name the files of a caption set.

Keys, with paths from the folder of the YAML: img (the .tsv of frames; a list of such, or with `composite: true` the
name of a list of them, a name per line), caption (a .caption.tsv: id<TAB>json of [{"caption"}]), caption_linelist
(line<TAB>caption, numbers from 0: the captions that are taken), caption_coco_format (references for scoring, used where
there is no caption). label is not needed. Nothing that a YAML names lies outside of its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tools.annotations import tsv_lines
from tools.containers.files import inside, read_yaml
from tools.rows import AnnotationError

SUFFIXES = (".yaml", ".yml")
_MAX_YAML = 1 << 20
_MAX_PARTS = 10_000
_FORM = "docs/containers.md says what such a file is"


class CaptionFiles(NamedTuple):
    """The files that a YAML names."""

    images: list[Path]
    captions: Path
    pairs: Path | None
    """caption_linelist."""


def read_caption_yaml(path: Path) -> CaptionFiles:
    """The files that a YAML names, all of them there. Raises AnnotationError, OptionError."""
    value = read_yaml(path, _MAX_YAML, "give SwinBERT's or LAVENDER's caption YAML")
    if not isinstance(value, dict) or "img" not in value:
        found = ", ".join(map(str, value))[:100] if isinstance(value, dict) else type(value).__name__
        raise AnnotationError(f"{path}: expected the keys img and caption, found {found or 'nothing'}; {_FORM}")
    images = _images(path, value["img"], value.get("composite") is True)
    text = next((name for name in ("caption", "caption_coco_format") if value.get(name) is not None), None)
    if text is None:
        raise AnnotationError(f"{path}: names no captions; write the key caption with their .tsv")
    pairs = value.get("caption_linelist") if text == "caption" else None
    return CaptionFiles(
        images,
        _file(path, text, value[text]),
        None if pairs is None else _file(path, "caption_linelist", pairs),
    )


def _images(path: Path, named: Any, is_composite: bool) -> list[Path]:
    if isinstance(named, str) and is_composite and not named.lower().endswith(".tsv"):
        named = [fields[0] for _, fields in tsv_lines(_file(path, "img", named)) if fields[0].strip()]
    names = named if isinstance(named, list) else [named]
    if not 0 < len(names) <= _MAX_PARTS:
        raise AnnotationError(f"{path}: img names {len(names):,} files, 1 to {_MAX_PARTS:,} are read; correct it")
    return [_file(path, "img", name) for name in names]


def _file(path: Path, key: str, name: Any) -> Path:
    if not isinstance(name, str):
        raise AnnotationError(f"{path}: {key} must name a file, found {type(name).__name__}; correct it")
    found = inside(path.parent, name, path)
    if not found.is_file():
        raise AnnotationError(f"{path}: {key} names {name!r}, and there is no such file; fetch it, or correct it")
    return found
