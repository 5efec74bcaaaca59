"""The files of a conversion that was not interrupted."""

from __future__ import annotations

import pytest

from tests.shards.dataset.writing.small_conversion import NUM_ROWS, contents, convert


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "toy"
    summary = convert(folder)
    assert summary.num_rows == NUM_ROWS == summary.num_samples + summary.num_quarantined
    assert summary.num_quarantined > 8 and summary.num_shards > 4
    files = contents(folder)
    assert set(files) == {f"{i:06d}.tar" for i in range(summary.num_shards)} | {
        "dataset.json",
        "index.parquet",
        "shards.parquet",
        "quarantine.jsonl",
    }
    assert summary.bytes == sum(len(data) for name, data in files.items() if name.endswith(".tar"))
    return files
