"""The parquet and the stats of a shard, damaged, of something else, and lacking."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tools.containers.samples.download_log import failed_downloads


def test_nothing_is_said_where_nothing_is_noted(tmp_path: Path) -> None:
    assert not list(failed_downloads(tmp_path / "00000", (), tmp_path))
    pq.write_table(pa.table({"caption": ["x"]}), tmp_path / "00000.parquet")
    assert not list(failed_downloads(tmp_path / "00000", (), tmp_path))


def test_a_log_that_cannot_be_read_is_one_loss(tmp_path: Path) -> None:
    (tmp_path / "00000.parquet").write_bytes(b"PAR1")
    (bad,) = failed_downloads(tmp_path / "00000", (), tmp_path)
    assert bad.record_id == "00000.parquet" and "cannot be read" in bad.reason
    (tmp_path / "00000.parquet").unlink()
    (tmp_path / "00000_stats.json").write_text("{")
    (bad,) = failed_downloads(tmp_path / "00000", (), tmp_path)
    assert bad.record_id == "00000_stats.json" and "not JSON that can be read" in bad.reason


def test_long_reasons_are_shortened(tmp_path: Path) -> None:
    table = {"key": ["a"], "url": [None], "status": ["failed"], "error_message": ["x" * 9999]}
    pq.write_table(pa.table(table), tmp_path / "00000.parquet")
    (bad,) = failed_downloads(tmp_path / "00000", (), tmp_path)
    assert bad.kind == "media not found" and len(bad.reason) < 500
