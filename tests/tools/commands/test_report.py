"""The command `report` makes the page, and its exit code says whether all drawn samples can be shown."""

from __future__ import annotations

import json
from pathlib import Path

from tests.shards.small_dataset import write_dataset
from tests.tools.commands.command_line import command, invoke


def test_the_result_is_a_table_or_json(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "d", 6)
    shown = invoke("report", folder, "--out", tmp_path / "r", "-n", 3)
    assert shown.exit_code == 0, shown.output
    assert "index.html" in shown.stdout and "shown" in shown.stdout
    told = json.loads(invoke("report", folder, "--out", tmp_path / "r", "--json").stdout)
    assert told["num_shown"] == 6 and told["page"] == str(tmp_path / "r/index.html")


def test_samples_that_cannot_be_shown_are_named(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "d", 6, broken=[1, 2])
    done = invoke("report", folder, "--out", tmp_path / "r")
    assert done.exit_code == 1 and "000000.tar:0001" in done.stderr and "the first of 2" in done.stderr


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    done = invoke("report", tmp_path, "--out", tmp_path / "r")
    assert done.exit_code == 2 and "no dataset here" in done.stderr
    folder = write_dataset(tmp_path / "d", "d", 2)
    (tmp_path / "file").write_text("x")
    done = invoke("report", folder, "--out", tmp_path / "file")
    assert done.exit_code == 2 and "file: cannot be written" in done.stderr and len(done.stderr.splitlines()) == 1


def test_its_help_is_quick_and_has_examples() -> None:
    done = command("report", "--help")
    assert done.returncode == 0 and "python -m tools report data/webvid/train" in done.stdout
