"""The files of one split among those of a folder, told by their names as Hugging Face gives them.

A file is of the split whose name begins its own ("train-00000-of-00005.parquet", "train.parquet"), or of the split that
the folder around it is called.
"""

from __future__ import annotations

import re
from pathlib import Path

from tools.json_files.splits import split_name
from tools.rows import OptionError

_SPLITS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")
_OTHERS = "others"
"""Files whose names say no split."""
_NUMBERED = re.compile(r"(.+?)[-_.]?\d{1,6}[-_]of[-_]\d{1,6}")


def split_files(data: Path, suffix: str, split: str | None) -> list[Path]:
    """The files with a suffix below a folder, or the file itself, in the order of their names. Raises OptionError."""
    if data.is_file():
        if split is not None:
            raise OptionError(f"{data}: --split {split} is for folders of files; this is one file")
        return [data]
    if not data.is_dir():
        raise OptionError(f"{data}: no such file or folder; check --data")
    found = sorted(path for path in data.rglob(f"*{suffix}") if path.is_file())
    if not found:
        raise OptionError(f"{data}: holds no {suffix} files; check --data")
    by_split: dict[str, list[Path]] = {}
    for path in found:
        by_split.setdefault(_split_of(path, data), []).append(path)
    if len(by_split) == 1 and split is None:
        return found
    return by_split[split_name(data, sorted(by_split), split)]


def _split_of(path: Path, data: Path) -> str:
    numbered = _NUMBERED.fullmatch(path.stem)
    if numbered:
        return numbered[1]
    names = [path.stem] if path.parent == data else [path.stem, path.parent.name]
    return next((name for name in names if name.lower() in _SPLITS), _OTHERS)
