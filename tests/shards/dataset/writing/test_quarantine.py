"""A damaged quarantine.jsonl is refused with the number of its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.writing.quarantine import read_quarantine
from shards.storage.open import open_source


def test_a_quarantine_that_is_none_is_refused_by_line(tmp_path: Path) -> None:
    assert read_quarantine(open_source(tmp_path)) == {}
    (tmp_path / "quarantine.jsonl").write_text('{"shard": "a.tar"}\n{"row": 3}\n')
    with pytest.raises(DatasetError, match=r"quarantine\.jsonl, line 2: not a line of an index"):
        read_quarantine(open_source(tmp_path))
