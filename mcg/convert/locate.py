"""Finding pretrained weights by a local path, or by a known name in the caches of this machine. Nothing is downloaded.

A known name (`bert-base-uncased`) is found in the cache of Hugging Face, or, where it has no repository there, in the
cache of torch hub. What is not found is told with the command that fetches it and the place where it is looked for.
"""

from __future__ import annotations

import os
from pathlib import Path

from mcg.convert.families import FAMILIES
from mcg.convert.rules import ConvertError

KNOWN = {name: (place, file) for family in FAMILIES.values() for name, place, file in family.known}


def locate(path: str) -> Path:
    """The file or folder at a path, or of a known name. Raises ConvertError with the remedy."""
    given = Path(path).expanduser()
    if given.exists():
        return given
    if path not in KNOWN:
        raise ConvertError(f"{path}: no such file or folder, nor a known name; known names: {', '.join(KNOWN)}")
    place, file = KNOWN[path]
    if not place.startswith("https://"):
        from huggingface_hub import constants, try_to_load_from_cache

        found = try_to_load_from_cache(place, file)
        if isinstance(found, str):
            return Path(found)
        raise ConvertError(
            f"{path}: not on this machine, and nothing is downloaded here. Fetch it with `hf download {place} {file}` "
            f"(it goes to {constants.HF_HUB_CACHE}; copy that folder to a machine without network), or give the path "
            f"of the {file} of https://huggingface.co/{place}"
        )
    kept = _torch_hub() / "checkpoints" / file
    if kept.is_file():
        return kept
    raise ConvertError(
        f"{path}: not on this machine, and nothing is downloaded here. Put {place} at {kept}, or give its path"
    )


def _torch_hub() -> Path:
    """The folder of torch.hub.get_dir(), found without loading torch."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{caches}/torch")).expanduser() / "hub"
