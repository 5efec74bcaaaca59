"""The report of a run holds plain numbers and texts."""

from __future__ import annotations

import json
from pathlib import Path

from shards.dataset.indexing.index_report import IndexReport
from shards.dataset.indexing.indexer import index_tars


def test_a_report_is_plain_numbers_and_texts(tars: Path) -> None:
    report = index_tars(str(tars))
    assert isinstance(report, IndexReport)
    assert json.loads(json.dumps(report.to_dict()))["num_samples"] == 12
