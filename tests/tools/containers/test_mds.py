"""MDS: the values of all encodings, and any damage of a shard whose checksum is not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.containers.given import CLIPS, FIXTURES, change_json, copy_of
from tools.containers.files import Damaged
from tools.containers.mds import MdsShard, read_index, read_shard


def test_an_index_says_what_a_shard_holds() -> None:
    first, second = read_index(FIXTURES / "mds/plain")
    assert (first.name, first.num_samples, second.num_samples, first.compression) == ("shard.00000.mds", 2, 1, None)
    assert sorted(first.hashes) == ["sha1", "xxh128"]
    (number, values), _ = read_shard(first, ["caption"])
    assert number == 0 and not isinstance(values, Damaged) and values["video"] == CLIPS[0] and "caption" not in values
    (packed,) = read_index(FIXTURES / "mds/zstd/train")
    assert packed.compression == "zstd:7" and packed.path.name == "shard.00000.mds.zstd"


def test_an_unpacked_shard_goes_before_its_packed_form(tmp_path: Path) -> None:
    folder = copy_of("mds/zstd", tmp_path) / "train"
    (folder / "shard.00000.mds").write_bytes(b"")
    (shard,) = read_index(folder)
    assert shard.compression is None and shard.path.name == "shard.00000.mds"


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> MdsShard:
    folder = copy_of("mds/plain", tmp_path_factory.mktemp("mds"))
    for number in range(2):
        change_json(folder / "index.json", "shards", number, "raw_data", "hashes", value={})
    return read_index(folder)[0]


@given(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8))
def test_any_change_gives_samples_or_damage(shard: MdsShard, at: int, change: bytes) -> None:
    content = bytearray((FIXTURES / "mds/plain/shard.00000.mds").read_bytes())
    at %= len(content) - len(change)
    content[at : at + len(change)] = change
    shard.path.write_bytes(bytes(content))
    try:
        assert len(list(read_shard(shard))) == 2
    except Damaged as flaw:
        assert ";" in str(flaw)
