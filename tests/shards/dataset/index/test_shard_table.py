"""The fingerprint covers everything that the index says about the shards."""

from __future__ import annotations

import numpy as np
import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.shard_table import ShardEntry, ShardTable, check_shard_size, fingerprint, total_records


def test_the_fingerprint_follows_names_counts_and_checksums() -> None:
    shard = ShardEntry("000000.tar", 10, 20, 10_240, "0" * 32)
    other = [
        shard._replace(name="1.tar"),
        shard._replace(num_samples=11),
        shard._replace(num_elements=21),
        shard._replace(bytes=1),
        shard._replace(checksum="1" * 32),
    ]
    prints = {fingerprint([entry]) for entry in [shard, *other]}
    assert len(prints) == 6 and fingerprint([shard]) == fingerprint([shard])
    assert fingerprint([shard, other[0]]) != fingerprint([other[0], shard])


def test_a_table_gives_the_fingerprint_of_its_first_shards() -> None:
    entries = [ShardEntry(f"{i}.tar", i, 2 * i, 100 * i, f"{i:032x}") for i in range(3)]
    columns = list(zip(*entries, strict=True))
    numbers = [np.array(column) for column in columns[1:4]]
    table = ShardTable(list(columns[0]), *numbers, list(columns[4]), np.array([0, 0, 1]))
    assert len(table) == 3 and list(table.entries()) == [tuple(entry) for entry in entries]
    assert list(table.fingerprints()) == [fingerprint(entries[: i + 1]) for i in range(3)]


def test_a_shard_of_another_size_is_named_with_both() -> None:
    check_shard_size("d/0.tar", 512, 512)
    with pytest.raises(DatasetError, match=r"d/0\.tar: has 511 bytes, the index expects 512; .* copy shards and index"):
        check_shard_size("d/0.tar", 511, 512)


def test_records_are_not_known_if_those_of_one_shard_are_not() -> None:
    assert total_records(np.array([2, 3])) == 5 and total_records(np.array([2, -1])) == -1
