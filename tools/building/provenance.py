"""The provenance of a build: everything that decides what comes out, so that a build cannot go on with other inputs."""

from __future__ import annotations

import hashlib
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

    Files among the options are told by their content, folders (of media) by where they lie. profile: the media profile
    with its name.
    """
    given = {name: _input(value) if isinstance(value, Path) else value for name, value in options.items()}
    limits = {"samples_per_shard": samples_per_shard, "limit": limit}
    made = {"media_profile": describe(*profile)} if profile is not None else {}
    return {"tool": "tools build", "dataset": dataset, **given, **limits, **made}


def _input(path: Path) -> str | dict[str, Any]:
    if not path.is_file():
        return str(path.resolve())
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}
