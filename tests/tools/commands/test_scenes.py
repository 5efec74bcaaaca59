"""`python -m tools scenes`: datasets and folders, its report, wrong usage and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.commands.command_line import invoke
from tests.tools.media.scenes import video
from tests.tools.scenes.joined import CLIPS, joined

SMALL = ("--short-side", "32")


def test_a_folder_is_cut_and_reported(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/film.mp4").write_bytes(joined(CLIPS[:2]))
    (tmp_path / "in/bad.mp4").write_bytes(b"no")
    result = invoke("scenes", tmp_path / "in", tmp_path / "out", *SMALL, "--json", "--max-quarantined", "0")
    assert result.exit_code == 1 and "1 rows are quarantined" in result.stderr
    report = json.loads(result.stdout)
    assert (report["num_rows"], report["num_samples"]) == (2, 2)
    copied = invoke("scenes", tmp_path / "in", tmp_path / "copied", "--cut", "copy", "--detector", "content")
    assert copied.exit_code == 0 and "samples" in copied.stdout


@pytest.mark.long  # decodes three real clips, twice
def test_a_dataset_becomes_a_dataset_that_can_be_verified(built: Path, tmp_path: Path) -> None:
    result = invoke("scenes", built, tmp_path / "clips", *SMALL, "--max-seconds", "3", "--name", "short", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "clips/dataset.json").read_text())["name"] == "short"
    assert json.loads(result.stdout)["num_samples"] >= 3


def test_wrong_usage_is_told_in_one_line(built: Path, tmp_path: Path) -> None:
    def told(*arguments: str | Path) -> str:
        result = invoke("scenes", *arguments)
        assert result.exit_code == 2, result.output
        return result.stderr

    out = tmp_path / "out"
    (tmp_path / "in").mkdir()
    (tmp_path / "in/film.mp4").write_bytes(video(3))
    assert "--detector magic is unknown" in told(built, out, "--detector", "magic")
    assert "--cut saw is unknown" in told(built, out, "--cut", "saw")
    assert "leaves videos as they are" in told(built, out, "--cut", "copy", *SMALL)
    assert "makes pictures" in told(built, out, "--media-profile", "frames_8")
    assert "at least twice" in told(built, out, "--min-seconds", "4", "--max-seconds", "5")
    assert "are written to a local folder" in told(tmp_path / "in", "s3://bucket/x")
    assert "is one file; give the folder" in told(tmp_path / "in/film.mp4", out)
    assert "no dataset was built here" in told(tmp_path / "nowhere", out)
    assert not out.exists()
