"""The command `croissant` writes the metadata of a dataset that lacks it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.shards.small_dataset import write_dataset
from tests.tools.commands.command_line import invoke


def test_the_file_is_written_beside_the_dataset(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", "d", 6)
    done = invoke("croissant", folder)
    assert done.exit_code == 0 and done.stdout.strip() == f"{folder}/croissant.json"
    assert json.loads((folder / "croissant.json").read_text())["name"] == "d"


def test_a_folder_without_a_dataset_is_wrong_usage(tmp_path: Path) -> None:
    assert invoke("croissant", tmp_path).exit_code == 2
