"""Wait until a cached source has brought what it wants, and look at what is left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from shards.cache.cached_source import CachedSource
from shards.cache.want_list import State
from tests.shards.far_folder import WAIT

Make = Callable[..., CachedSource]


def settled(source: CachedSource) -> dict[str, State]:
    """Wait until nothing is on its way; what became of each."""
    assert source.downloads.wait(WAIT)
    return source.states()


def parts(tmp_path: Path) -> list[str]:
    return [name for name in os.listdir(tmp_path / "cache") if name.endswith(".part")]
