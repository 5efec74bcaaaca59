"""The index goes after the mark is there; a run that was stopped in between is finished by the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from shards.base.errors import DatasetError
from tests.tools.reshard.copies import write_ours
from tools.reshard.without_index import finished, take_index_away

SAID = {"tool": "x", "sources": [1, (2, 3)]}


def test_the_mark_tells_a_finished_run_and_its_counts(tmp_path: Path) -> None:
    out = str(write_ours(tmp_path / "ours", keys=range(1)))
    assert finished(out, SAID) is None and finished(str(tmp_path / "none"), SAID) is None
    take_index_away(out, SAID, {"num_samples": 1, "seconds": 3.5})
    listed = ["000000.tar", "quarantine.jsonl", "reshard.json"]
    assert sorted(path.name for path in Path(out).iterdir()) == listed
    assert finished(out, SAID) == {"num_samples": 1}
    (Path(out) / "dataset.json").write_text("{}")  # it was stopped before this file went
    take_index_away(out, SAID, {})
    assert sorted(path.name for path in Path(out).iterdir()) == listed and finished(out, SAID) == {"num_samples": 1}


def test_a_mark_of_another_run_or_no_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reshard.json").write_text('{"provenance": {"tool": "y"}}')
    with pytest.raises(DatasetError, match=r"made of other inputs or with other options \(reshard\.json\)"):
        finished(str(tmp_path), SAID)
    (tmp_path / "reshard.json").write_text("{")
    with pytest.raises(DatasetError, match=r"reshard\.json: not valid json"):
        finished(str(tmp_path), SAID)
