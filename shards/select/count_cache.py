"""Counts of a selection, kept between runs in the user's cache folder.

A file is an array of numpy's and 16 bytes XXH3_128 of it. Several processes may write the same file: it appears whole
or not at all. A file that cannot be used is only logged, and the selection is counted again.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from shards.base.environment import user_cache
from shards.base.printing import logger
from shards.dataset.index.shard_table import ShardTable
from shards.order.order import Int64

_logger = logger(__name__)


class CountCache:
    """The file that keeps the counts of one selection."""

    def __init__(self, address: str, folder: Path | None = None) -> None:
        """address: a text of everything that the counts depend on. folder: None for the user's."""
        import xxhash

        name = f"{xxhash.xxh3_128_hexdigest(address.encode())}.npy"
        self.file = (folder if folder is not None else user_cache("selections")) / name

    def read(self, shards: ShardTable) -> Int64 | None:
        """(2, S) The counts, None if there is no file, or one that is damaged or belongs to other shards."""
        import xxhash

        try:
            data = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _logger.warning("%s cannot be read (%s): counting anew", self.file, error)
            return None
        body, digest = data[:-16], data[-16:]
        if xxhash.xxh3_128_digest(body) != digest:
            _logger.warning("%s is damaged: counting anew", self.file)
            return None
        counts: Int64 = np.load(io.BytesIO(body), allow_pickle=False)
        if counts.shape != (2, len(shards)) or (counts < 0).any() or (counts[0] > shards.num_samples).any():
            _logger.warning("%s does not fit the index: counting anew", self.file)
            return None
        return counts

    def write(self, counts: Int64) -> None:
        """Write the file, whole or not at all."""
        import xxhash

        body = io.BytesIO()
        np.save(body, counts, allow_pickle=False)
        scratch = ""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(prefix=".", suffix=".part", dir=self.file.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(body.getvalue() + xxhash.xxh3_128_digest(body.getvalue()))
            os.replace(scratch, self.file)
        except OSError as error:
            _logger.warning("%s cannot be written (%s): the selection is counted anew next time", self.file, error)
            if scratch:
                with suppress(OSError):
                    os.unlink(scratch)
