"""`stats`: figures of a dataset from its index alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from tests.shards.cli.conftest import FILES, SAMPLES

RunJson = Callable[..., tuple[int, dict]]


@pytest.mark.parametrize("store", ["folder", "memory"])
def test_figures_are_those_of_the_dataset_without_opening_a_shard(
    dataset: Path, memory_url: str, store: str, run_json: RunJson
) -> None:
    sizes = sorted(shard.stat().st_size for shard in dataset.glob("*.tar"))
    for shard in dataset.glob("*.tar"):
        shard.unlink()
    code, found = run_json("stats", dataset if store == "folder" else memory_url)
    assert code == 0 and found["verified"] is True
    assert [found[name] for name in ("num_shards", "num_samples", "num_elements")] == [3, 8, 12]
    assert found["bytes"] == sum(sizes) and found["bytes_per_shard"]["p50"] == sizes[1]
    assert found["samples_per_shard"]["min"] == 2 and found["samples_per_shard"]["max"] == 3
    media = {name: (SAMPLES / name).stat().st_size for name in FILES}
    assert found["member_bytes"]["jpg"]["total"] == sum(n for name, n in media.items() if name.endswith("jpg"))
    assert found["member_bytes"]["json"]["count"] == 8
    assert found["sample_bytes"]["max"] > max(media.values())
    assert found["records_per_sample"]["mean"] == 1.5 and found["records_per_sample"]["unknown"] == 0
    assert found["media"]["unknown"] == 0 and found["media"]["duration"]["count"] == 4
    shown = found["distributions"]
    assert shown["kind"] == {"image": 4, "video": 4} and shown["records"] == {"1": 4, "2": 4}
    assert shown["codec"]["mjpeg"] == 1 and shown["codec"]["jpeg"] == 2
    assert sum(shown["duration"].values()) == sum(shown["fps"].values()) == 4
    assert sum(shown["resolution"].values()) == 8


def test_the_tables_have_bars(built: Path, run: Callable[..., Result]) -> None:
    result = run("stats", built)
    assert result.exit_code == 0
    for text in ("bytes per sample", "p99", "records per sample", "codec", "█", "50.0 %", "yes"):
        assert text in result.stdout


def test_what_the_index_does_not_know_is_counted(dataset: Path, run_json: RunJson, run: Callable[..., Result]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(dataset / "index.parquet")
    for name, value in (("width", 0), ("num_records", -1)):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pa.array([value] * 4 + table.column(name).to_pylist()[4:], pa.int32()))
    pq.write_table(table, dataset / "index.parquet")
    _, found = run_json("stats", dataset)
    assert found["media"]["unknown"] == 4 and found["records_per_sample"]["unknown"] == 4
    assert found["distributions"]["records"] == {"unknown": 4, "1": 2, "2": 2}
    assert "samples without media facts" in run("stats", dataset).stdout


def test_durations_fall_into_spans(dataset: Path, run_json: RunJson) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    spans = {
        0.0: "0-1 s",
        1.0: "1-2 s",
        29.9: "15-30 s",
        1e9: "3600 s or more",
        np.nan: "unknown",
    }
    table = pq.read_table(dataset / "index.parquet")
    at = table.schema.get_field_index("duration")
    for seconds, text in spans.items():
        table = table.set_column(at, "duration", pa.array([seconds] * 8, pa.float32()))
        pq.write_table(table, dataset / "index.parquet")
        assert run_json("stats", dataset)[1]["distributions"]["duration"] == {text: 4}
