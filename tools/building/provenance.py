"""The provenance of a build: everything that decides what comes out, so that a build cannot go on with other inputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.media.profiles import Profile, describe


def provenance_of(
    dataset: str,
    options: Mapping[str, Any],
    samples_per_shard: int,
    limit: int | None,
    profile: tuple[str, Profile] | None,
) -> dict[str, Any]:
    """The record of a build that dataset.json keeps.

    Files among the options are told by their content, folders of media by where they lie, and the folder of a container
    (the option data) also by the names and sizes in it. profile: the media profile with its name.
    """
    given = {name: _input(value) if isinstance(value, Path) else value for name, value in options.items()}
    container = options.get("data")
    if isinstance(container, Path) and container.is_dir():
        given["data_files"] = _listing(container)
    limits = {"samples_per_shard": samples_per_shard, "limit": limit}
    made = {"media_profile": describe(*profile)} if profile is not None else {}
    return {"tool": "tools build", "dataset": dataset, **given, **limits, **made}


def _listing(folder: Path) -> str:
    """A checksum of the names in a folder and the sizes of its files; folders in it count by their names only."""
    with os.scandir(folder) as entries:
        found = sorted((entry.name, entry.stat().st_size if entry.is_file() else -1) for entry in entries)
    return hashlib.sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()


def _input(path: Path) -> str | dict[str, Any]:
    if not path.is_file():
        return str(path.resolve())
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}
