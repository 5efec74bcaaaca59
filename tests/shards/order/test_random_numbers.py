"""Addressed draws: the same everywhere, and different wherever the address differs."""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import Any

import numpy as np
import pytest

from shards.order.random_numbers import hash64, mix, name_hash, rng

ADDRESS: dict[str, Any] = {
    "seed": 1,
    "dataset": "cc",
    "pass_": 0,
    "shard": "000000.tar",
    "key": "k",
    "record": 0,
    "attempt": 0,
    "purpose": "frames",
}


def test_mix_is_the_published_splitmix64() -> None:
    # The first outputs of splitmix64 with seed 0; state n is n times the golden-ratio increment.
    states = np.array([0, 0x9E3779B97F4A7C15], dtype=np.uint64)
    assert [hex(x) for x in mix(states)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


def test_hash_and_names_never_change() -> None:
    """Golden numbers: a change here changes the order of every run there ever was."""
    assert [int(x) for x in hash64(7, [1, 2], 2**64 - 1)] == [17243924143522324544, 8340774360669436898]
    assert name_hash("shapes") == 15110515276795663669


def test_hash_depends_on_the_order_of_its_parts() -> None:
    assert int(hash64(1, 2)) != int(hash64(2, 1))
    assert int(hash64(1)) != int(hash64(1, 0))


def test_hash_takes_arrays_and_scalars_alike() -> None:
    assert hash64(3, np.arange(4))[2] == hash64(3, 2)


def test_one_address_gives_one_generator() -> None:
    assert rng(**ADDRESS).random() == rng(**ADDRESS).random()


def test_the_generator_is_philox_with_the_hash_of_the_address_as_its_key() -> None:
    """Another stream would change the augmentation of every run there ever was."""
    address = json.dumps(list(ADDRESS.values())).encode()
    key = int.from_bytes(hashlib.blake2b(address, digest_size=16).digest(), "little")
    published = np.random.Generator(np.random.Philox(key=key))
    generator = rng(**ADDRESS)
    assert str(generator.bit_generator.state) == str(published.bit_generator.state)
    copy = pickle.loads(pickle.dumps(generator))
    draws = [g.integers(0, 7, 100).tolist() for g in (published, generator, copy)]
    assert draws[0] == draws[1] == draws[2]


@pytest.mark.parametrize("part", list(ADDRESS))
def test_every_part_of_the_address_matters(part: str) -> None:
    other = ADDRESS | {part: ADDRESS[part] + (1 if isinstance(ADDRESS[part], int) else "x")}
    assert rng(**ADDRESS).random() != rng(**other).random()


def test_neighbouring_parts_do_not_run_together() -> None:
    assert (
        rng(**ADDRESS | {"shard": "ab", "key": "c"}).random() != rng(**ADDRESS | {"shard": "a", "key": "bc"}).random()
    )


def test_numpy_numbers_address_like_python_numbers() -> None:
    assert rng(**ADDRESS | {"pass_": np.int64(0)}).random() == rng(**ADDRESS).random()
