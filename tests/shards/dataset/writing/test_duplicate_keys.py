"""No key twice in a dataset, also after a resume."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.dataset.writing.new_sample import DuplicateKey
from shards.dataset.writing.writer import DatasetWriter
from tests.shards.dataset.writing.small_conversion import FACTS


def test_a_duplicate_names_key_and_both_places_also_after_a_resume(tmp_path: Path) -> None:
    def add(writer: DatasetWriter, key: str) -> None:
        writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)

    writer = DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=2)
    for key in ("a", "b", "c"):
        add(writer, key)
    with pytest.raises(DuplicateKey, match=r"key 'b' of input row 3 is taken already by sample 1 of 000000\.tar"):
        add(writer, "b")
    with pytest.raises(DuplicateKey, match=r"key 'c' of input row 3 is taken already by sample 0 of 000001\.tar"):
        add(writer, "c")
    writer.abort()
    with DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=2) as writer:
        assert writer.rows_done == 2
        with pytest.raises(DuplicateKey, match="sample 0 of 000000"):
            add(writer, "a")


def test_keys_that_share_a_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xxhash.xxh3_64_intdigest", lambda data: 7)
    with DatasetWriter(tmp_path / "toy", "toy", samples_per_shard=2) as writer:
        for key in ("a", "b", "c"):
            writer.write(key, b"x", "mp4", [{"caption": ""}], {}, FACTS)
