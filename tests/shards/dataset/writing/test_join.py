"""Finished datasets below a place become one: shards alternate, and each is moved as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.index.index import Index
from shards.dataset.writing.join import join
from shards.dataset.writing.writer import DatasetWriter
from shards.storage.open import open_source
from tests.shards.dataset.writing.small_conversion import FACTS


def _write(folder: Path, keys: str, part: int) -> None:
    with DatasetWriter(folder, "toy", samples_per_shard=1, provenance={"part": part}) as writer:
        for key in keys:
            writer.write(key, b"x", "mp4", [{"caption": key}], {}, FACTS)
        writer.quarantine("last", "odd: it is")


def test_shards_alternate_and_rows_of_the_quarantine_are_numbered_anew(tmp_path: Path) -> None:
    _write(tmp_path / "parts/a", "ac", 0)
    _write(tmp_path / "parts/b", "bde", 1)
    tars = {path.stat().st_ino for path in tmp_path.rglob("*.tar")}
    summary = join(str(tmp_path), ["parts/a", "parts/b"], lambda part, row: 10 * part + row, "part")
    assert (summary.num_rows, summary.num_samples, summary.num_quarantined) == (7, 5, 2)
    index = Index.open(open_source(str(tmp_path)))
    assert [key for shard in range(5) for key in index.table(shard).column("key").to_pylist()] == list("abcde")
    assert index.dataset["provenance"] == {"parts": 2} and not (tmp_path / "parts").exists()
    assert {path.stat().st_ino for path in tmp_path.glob("*.tar")} == tars
    lines = (tmp_path / "quarantine.jsonl").read_text().splitlines()
    assert [line[:10] for line in lines] == ['{"row": 2,', '{"row": 13']


def test_parts_without_any_sample_are_no_dataset(tmp_path: Path) -> None:
    _write(tmp_path / "parts/a", "", 0)
    with pytest.raises(DatasetError, match="no part holds a sample"):
        join(str(tmp_path), ["parts/a"], lambda part, row: row, "part")
