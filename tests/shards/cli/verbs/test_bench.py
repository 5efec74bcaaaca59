"""`bench`: it measures what it says, and says when samples could not be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.shards.small_dataset import write_dataset

RunJson = Callable[..., tuple[int, dict]]
SHORT = ("--batches", 2, "--batch-size", 4, "--repeats", 2, "--size", 16, "--threads", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "small", "small", 23)


def test_reader_and_loader_are_measured(folder: Path, run_json: RunJson) -> None:
    code, found = run_json("bench", folder, *SHORT)
    assert code == 0 and found["batches"] == 2 and found["threads"] == 2
    measures = {
        "reader": ["samples_per_second", "samples_per_cpu_second", "megabytes_per_second"],
        "loader": ["samples_per_second", "samples_per_cpu_second", "frames_per_second", "batch_milliseconds"],
    }
    for part, names in measures.items():
        assert found[part]["failed"] == 0
        for name in names:
            assert 0 < found[part][name]["low"] <= found[part][name]["median"] <= found[part][name]["high"]
    assert set(found["loader"]["thread_seconds"]) >= {"read", "decode"}


def test_the_reader_alone_needs_no_decoder(folder: Path, run: Callable[..., Result]) -> None:
    result = run("bench", folder, *SHORT, "--reader-only")
    assert result.exit_code == 0
    assert "reader alone, 1 thread" in result.stdout and "samples / cpu second" in result.stdout
    assert "loader" not in result.stdout


def test_videos_and_pictures_are_decoded(built: Path, run: Callable[..., Result]) -> None:
    result = run("bench", built, "--batches", 1, "--batch-size", 2, "--repeats", 1, "--frames", 2, "--size", 32)
    assert result.exit_code == 0, result.output
    assert "2 frames of 32 pixels" in result.stdout and "thread seconds: read" in result.stdout


def test_a_remote_dataset_can_be_measured(memory_url: str, run_json: RunJson) -> None:
    code, found = run_json("bench", memory_url, *SHORT, "--reader-only")
    assert code == 0 and "loader" not in found


def test_facts_that_the_index_lacks_are_probed(folder: Path, run_json: RunJson) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "index.parquet")
    at = table.schema.get_field_index("width")
    pq.write_table(table.set_column(at, "width", pa.array([0] * 23, pa.int32())), folder / "index.parquet")
    code, found = run_json("bench", folder, *SHORT)
    assert code == 0 and found["loader"]["failed"] == 0


def test_samples_that_cannot_be_used_are_told(tmp_path: Path, run: Callable[..., Result]) -> None:
    folder = write_dataset(tmp_path / "broken", "broken", 23, broken=[3])
    result = run("bench", folder, "--batches", 6, "--batch-size", 4, "--repeats", 1, "--size", 16)
    assert result.exit_code == 1
    assert "samples could not be used, the first: bench/0" in result.stderr and "not a picture" in result.stderr


def test_a_missing_shard_ends_the_measurement(folder: Path, run: Callable[..., Result]) -> None:
    (folder / "000002.tar").unlink()
    result = run("bench", folder, *SHORT, "--batches", 10)
    assert result.exit_code == 1
    assert "000002.tar: the index lists this shard, but it is not there" in result.stderr
