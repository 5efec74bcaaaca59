"""A damaged quarantine.jsonl is refused with the number of its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from shards.dataset.writing import quarantine
from shards.dataset.writing.quarantine import QUARANTINE_FILE, quarantine_lines, read_quarantine
from shards.storage.open import open_source


def test_a_quarantine_that_is_none_is_refused_by_line(tmp_path: Path) -> None:
    assert read_quarantine(open_source(tmp_path)) == {}
    (tmp_path / "quarantine.jsonl").write_text('{"shard": "a.tar"}\n{"row": 3}\n')
    with pytest.raises(DatasetError, match=r"quarantine\.jsonl, line 2: not a line of an index"):
        read_quarantine(open_source(tmp_path))


def test_lines_come_one_by_one_whatever_their_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "_CHUNK", 7)
    lines = [{"row": number, "reason": "x" * number} for number in range(12)]
    text = "\n".join(map(json.dumps, lines))
    for content, wanted in ((text + "\n", lines), (text, lines), ("", [])):
        (tmp_path / QUARANTINE_FILE).write_text(content)
        assert list(quarantine_lines(open_source(str(tmp_path)))) == wanted
