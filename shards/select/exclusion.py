"""Exclusion lists: samples that a dataset's config takes out by name.

A list is a JSON-lines file with {"key": ..., "shard": ...} per line and anything else beside; without a shard, samples
of that key are left out in every shard. A loader's ledger and what `python -m shards verify --quarantine` writes are
such files; lines with a "dataset" of another name are not about this one, and those that a ledger marks "timed_out"
leave nothing out: that decoding took too long may be the machine's fault. Promises: a line that is something else stops
the run with file and line; shards that the dataset does not have are logged. A ledger that a running job still writes
to is a moving list: copy it first.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shards.base.errors import ExclusionError, MissingFile
from shards.base.json_text import load_json
from shards.base.printing import logger
from shards.base.redact import shown
from shards.dataset.members.plain_text import is_whole
from shards.select.where import Mask
from shards.storage.addresses import checked, parent
from shards.storage.open import open_source

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logger(__name__)


class Exclusions:
    """The samples that exclusion lists name."""

    def __init__(self, samples: Iterable[tuple[str | None, str]]) -> None:
        """samples: (shard or None, key)."""
        import pyarrow as pa

        self._samples = sorted(set(samples), key=lambda sample: (sample[0] or "", sample[1]))
        keys: dict[str | None, list[str]] = {}
        for shard, key in self._samples:
            keys.setdefault(shard, []).append(key)
        self._anywhere = pa.array(keys.pop(None, []), pa.string())
        self._in_shard = {shard: pa.array(names, pa.string()) for shard, names in keys.items()}

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def shards(self) -> list[str]:
        """Names of the shards that the lists name."""
        return [shard for shard in self._in_shard if shard is not None]

    def digest(self) -> str:
        """32 hexadecimal digits over the samples, whatever files name them and in whatever order."""
        import xxhash

        return xxhash.xxh3_128_hexdigest(json.dumps(self._samples).encode())

    def mask(self, keys: pa.Array, shards: Sequence[tuple[str, int]]) -> Mask:
        """(n,) True for each sample that is left out. shards: (name, samples) of the shards that the keys come from."""
        import pyarrow.compute as pc

        out: Mask = np.array(pc.is_in(keys, self._anywhere))
        start = 0
        for name, num_samples in shards:
            if name in self._in_shard:
                out[start : start + num_samples] |= np.array(
                    pc.is_in(keys.slice(start, num_samples), self._in_shard[name])
                )
            start += num_samples
        return out


def read_exclusions(paths: Iterable[str], names: Collection[str]) -> Exclusions:
    """Read exclusion lists.

    names: those of this dataset; lines about others are ignored. Raises ExclusionError, SourceError.
    """
    samples: list[tuple[str | None, str]] = []
    for path in paths:
        folder, file = parent(checked(path))
        path = shown(path)
        try:
            data = open_source(folder).read(file)
        except MissingFile as error:
            raise ExclusionError(f"exclude {path}: no such file; relative paths start at the working folder") from error
        found, others = _read(path, data, names)
        if not found and others:
            _logger.warning(
                "exclude %s: none of its lines is about %s, they are about %s", path, sorted(names), sorted(others)
            )
        samples += found
    return Exclusions(samples)


def _read(path: str, data: bytes, names: Collection[str]) -> tuple[list[tuple[str | None, str]], set[str]]:
    """(samples of this dataset, names of other datasets)."""
    found: list[tuple[str | None, str]] = []
    others: set[str] = set()
    num_timed_out = 0
    lines = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry: Any = load_json(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                _logger.warning("exclude %s: its last line has no end and is left out: it was cut", path)
                continue
            raise ExclusionError(f"exclude {path}, line {number}: not json ({error})") from error
        key, shard, dataset = (
            (entry.get("key"), entry.get("shard"), entry.get("dataset")) if isinstance(entry, dict) else (None,) * 3
        )
        if not isinstance(key, str) or not isinstance(shard, str | None) or not isinstance(dataset, str | None):
            raise ExclusionError(
                f'exclude {path}, line {number}: should be an object with "key" and perhaps "shard" as texts, is '
                f"{line[:80].decode(errors='replace')}"
            )
        if dataset is None or dataset in names:
            if not is_whole(f"{shard}{key}"):
                raise ExclusionError(f"exclude {path}, line {number}: key or shard is no text that UTF-8 can hold")
            if entry.get("timed_out") is True:
                num_timed_out += 1
            else:
                found.append((shard, key))
        else:
            others.add(dataset)
    if num_timed_out:
        _logger.warning(
            "exclude %s: %d of its lines are about clips that took too long to decode, which leaves no sample out; to "
            'leave one out all the same, take "timed_out" out of its line',
            path,
            num_timed_out,
        )
    return found, others
