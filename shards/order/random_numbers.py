"""Addressed randomness: every draw is a pure function of its address, never of earlier draws.

`hash64` is our own 64-bit mixer (a chain of splitmix64 finalisers, Steele et al. 2014), so that the order of a
dataset is the same under every numpy version. `rng` makes a numpy Generator for one address; its bit stream (Philox)
is fixed by numpy, the methods of Generator may change between numpy versions, hence it feeds augmentation and never
the order.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.random.bit_generator import ISeedSequence

UInt64 = npt.NDArray[np.uint64]
_MASK = (1 << 64) - 1
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def mix(x: npt.ArrayLike) -> UInt64:
    """splitmix64: a bijection of 64-bit words whose output bits depend on all input bits. Keeps the shape."""
    word = _words(x)
    word += _STEP  # in place numpy wraps around without a warning, also where it has no dimension
    word ^= word >> _SHIFTS[0]
    word *= _FACTORS[0]
    word ^= word >> _SHIFTS[1]
    word *= _FACTORS[1]
    word ^= word >> _SHIFTS[2]
    return word


def hash64(*parts: npt.ArrayLike) -> UInt64:
    """Hash whole numbers (scalars or arrays, broadcast together) to uint64; the order of the parts matters."""
    state: UInt64 = np.zeros((), dtype=np.uint64)
    for part in parts:
        state = mix(state ^ mix(part))
    return state


def name_hash(name: str) -> int:
    """A 64-bit number for a name, the same on every machine (Python's own hash is salted per process)."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def rng(
    seed: int,
    dataset: str,
    pass_: int,
    shard: str,
    key: str,
    record: int,
    attempt: int,
    purpose: str,
) -> np.random.Generator:
    """The random generator of one address.

    The shard belongs to the address because tars made elsewhere repeat keys in every shard; the pass, because a
    repeated element must get fresh augmentation; the purpose, so that adding one draw leaves all others as they were.
    """
    address = json.dumps([int(seed), dataset, int(pass_), shard, key, int(record), int(attempt), purpose])
    digest = hashlib.blake2b(address.encode(), digest_size=16).digest()
    # numpy takes any ISeedSequence here, its stub only its own
    return np.random.Generator(np.random.Philox(_Key(digest)))  # type: ignore[arg-type]


class _Key(ISeedSequence):
    """The key of a Philox generator; `Philox(key=...)` asks for a system seed, which takes four times as long."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> npt.NDArray[Any]:
        return np.frombuffer(self._digest, np.dtype(dtype).newbyteorder("<"), n_words)


def _words(x: Any) -> UInt64:
    """The numbers as a new array of 64-bit words."""
    if isinstance(x, int):
        return np.array(x & _MASK, dtype=np.uint64)
    return np.asarray(x).astype(np.uint64)
