"""Verified: of which samples the checksums were compared in this process, one bit a sample."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verify = Literal["once", "always", "never"]
"""A checksum is compared at the first read in a process, at every read, or not at all."""


class Verified:
    """The samples of one dataset. Threads may share it: two at one byte may lose a bit, and then that sample is
    verified once more."""

    def __init__(self, verify: Verify, num_samples: NDArray[np.int64]) -> None:
        """num_samples: (S,) of each shard."""
        self._verify, self._num_samples = verify, num_samples
        self._bits: dict[int, bytearray] = {}
        """Shard -> one bit for each of its samples; only shards that were read."""

    def are_due(self, shard: int, samples: list[int]) -> list[bool]:
        """For each of some samples, True if its checksums are to be compared."""
        if self._verify != "once":
            return [self._verify == "always"] * len(samples)
        bits = self._bits_of(shard)
        return [not bits[sample >> 3] >> (sample & 7) & 1 for sample in samples]

    def note(self, shard: int, sample: int) -> None:
        """The checksums of a sample were right."""
        if self._verify == "once":
            self._bits_of(shard)[sample >> 3] |= 1 << (sample & 7)

    def _bits_of(self, shard: int) -> bytearray:
        bits = self._bits.get(shard)
        if bits is None:
            size = (int(self._num_samples[shard]) + 7) // 8
            bits = self._bits.setdefault(shard, bytearray(size))
        return bits
