"""A file of a cache is named after the shard that it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.cache.file_names import shard_identity
from shards.cache.shard_cache import ShardCache
from tests.shards.cache.small_cache import files, put


@pytest.mark.parametrize("name", ["a.tar", "x.part", "é" * 120, "a" * 250, ".part.part", "line\nbreak"])
def test_any_name_of_a_shard_gives_a_file_name_of_its_own(tmp_path: Path, name: str) -> None:
    cache = ShardCache(tmp_path, 10_000)
    url = "s3://bucket/data"
    identity = shard_identity(url, name, 3, "v")
    assert identity == shard_identity(url, name, 3, "v") and "/" not in identity
    others = [(url, name, 3, "w"), (url, name, 4, "v"), ("s3://bucket/other", name, 3, "v"), (url, name + "b", 3, "v")]
    assert len({identity, *(shard_identity(*other) for other in others)}) == 5
    assert put(cache, identity, b"abc")
    assert files(tmp_path) == {identity: 3}
    assert ShardCache(tmp_path, 10_000).find(identity) is not None
