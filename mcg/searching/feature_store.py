"""Features of clips on the disk of this machine, by model and content of the medium.

A feature is the same for the same bytes, weights, and clip settings, wherever the file lies; so a second search of the
same clips reads no frames. The store is a cache: it may be removed at any time, and a broken one is begun anew.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shards.base import logger

_logger = logger(__name__)
Feature = npt.NDArray[np.float32]


class FeatureStore:
    """The features of one model. file: the database, made if it is not there; several processes may share it."""

    def __init__(self, file: Path, model: str) -> None:
        """model: identifies weights and clip settings."""
        self._model = model
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open(file)
        except sqlite3.DatabaseError as error:
            _logger.warning("%s: not a store of features (%s); it is begun anew", file, error)
            with suppress(FileNotFoundError):
                file.unlink()
            self._open(file)

    def _open(self, file: Path) -> None:
        self._base = sqlite3.connect(file, timeout=30)
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS features (model TEXT, content BLOB, feature BLOB, "
            "PRIMARY KEY (model, content)) WITHOUT ROWID"
        )
        self._base.commit()

    def get(self, content: bytes) -> Feature | None:
        """The feature (E,) of a medium with this checksum; None if it is not known."""
        query = "SELECT feature FROM features WHERE model = ? AND content = ?"
        with closing(self._base.execute(query, (self._model, content))) as found:
            row = found.fetchone()
        return None if row is None else np.frombuffer(row[0], np.float32)

    def put(self, content: bytes, feature: Feature) -> None:
        """Keep a feature, float32 (E,)."""
        row = (self._model, content, feature.astype(np.float32).tobytes())
        self._base.execute("INSERT OR REPLACE INTO features VALUES (?, ?, ?)", row)
        self._base.commit()

    def close(self) -> None:
        """Close the database."""
        self._base.close()
