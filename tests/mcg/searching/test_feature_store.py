"""Features are kept by model and content; a broken store is begun anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mcg.searching.feature_store import FeatureStore


def test_what_is_put_is_found_by_the_same_model_only(tmp_path: Path) -> None:
    feature = np.arange(4, dtype=np.float32)
    store = FeatureStore(tmp_path / "a" / "f.sqlite", "one")
    assert store.get(b"x") is None
    store.put(b"x", feature)
    store.close()
    again, other = (FeatureStore(tmp_path / "a" / "f.sqlite", model) for model in ("one", "two"))
    found = again.get(b"x")
    assert found is not None and np.array_equal(found, feature) and found.dtype == np.float32
    assert other.get(b"x") is None and again.get(b"y") is None


def test_a_file_that_is_no_store_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "f.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 40)
    store = FeatureStore(tmp_path / "f.sqlite", "one")
    store.put(b"x", np.ones(2, np.float32))
    assert store.get(b"x") is not None
