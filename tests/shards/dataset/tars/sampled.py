"""The samples of a local tar, and the reasons of those that give no row."""

from __future__ import annotations

from pathlib import Path

from shards.dataset.tars.looks import Looks
from shards.dataset.tars.tar import scan
from shards.dataset.tars.tar_samples import ShardSamples, read_samples

JSON = b'{"caption": "a"}'


def look(path: Path, looks: Looks | None = None) -> ShardSamples:
    return read_samples(scan(path), str(path), looks or Looks())


def reasons(found: ShardSamples) -> dict[str, str]:
    return {line["member"]: line["reason"] for line in found.quarantined}
