"""Find the folder of one split in a container that holds several, each in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from tools.json_files.splits import split_name
from tools.rows import OptionError


def split_folder(folder: Path, index: str, split: str | None) -> Path:
    """`folder` if the file `index` lies in it, else the folder of the split below it. Raises OptionError."""
    if (folder / index).is_file():
        if split is not None:
            raise OptionError(f"{folder}: --split {split} is for folders of several splits; this one is one by itself")
        return folder
    known = sorted(path.parent.name for path in folder.glob(f"*/{index}") if path.is_file())
    if not known:
        raise OptionError(f"{folder}: has no {index}, nor has a folder in it; check --data")
    return folder / split_name(folder, known, split)
