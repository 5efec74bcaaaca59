"""`python -m tools export-ffcv`: wrong usage and its exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.commands.command_line import invoke
from tests.tools.ffcv.conftest import SIZE, write_shards

pytestmark = pytest.mark.usefixtures("ffcv")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("shards") / "toy")


@pytest.mark.parametrize("mode", ["raw", "jpg"])
def test_wrong_usage_is_told_in_one_line(shards: Path, tmp_path: Path, mode: str) -> None:
    def told(code: int, *arguments: str | Path) -> str:
        result = invoke("export-ffcv", *arguments)
        assert result.exit_code == code, result.output
        return result.stderr

    there = tmp_path / "there.beton"
    assert invoke("export-ffcv", shards, there, *SIZE, "--mode", mode).exit_code == 0
    assert "is there already; remove it" in told(2, shards, there, *SIZE, "--mode", mode, "--where", "width > 3")
    assert "no dataset was built here" in told(2, tmp_path, tmp_path / "x.beton", *SIZE)
    assert "there is no folder" in told(2, shards, tmp_path / "no/x.beton", *SIZE)
    assert "should end with .beton" in told(2, shards, tmp_path / "x", *SIZE)
    assert "choose one of raw, jpg" in told(2, shards, tmp_path / "x.beton", *SIZE, "--mode", "png")
    assert "did you mean" in told(2, shards, tmp_path / "x.beton", *SIZE, "--where", "widht > 3")
    assert "no such file" in told(2, shards, tmp_path / "x.beton", *SIZE, "--exclude", "nowhere.jsonl")
    told(2, shards, tmp_path / "x.beton", "--short-side", "96")
    assert "1 rows are quarantined" in told(1, shards, tmp_path / "x.beton", *SIZE, "--max-quarantined", "0")
    assert (tmp_path / "x.beton").exists()
