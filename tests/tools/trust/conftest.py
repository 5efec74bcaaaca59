"""Two splits of question-answering over the clips of samples/, built by the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shards.cli import Dataset, open_dataset
from tests.tools.commands.command_line import ROOT, invoke

QUESTIONS = ROOT / "samples/msrvtt_qa"


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train and val of the samples' questions, as folders of these names; train has a row without a medium."""
    folder = tmp_path_factory.mktemp("questions")
    lines = (QUESTIONS / "train.jsonl").read_text().splitlines()[:10]
    bad = {**json.loads(lines[0]), "video_id": "video99999"}
    (folder / "train.jsonl").write_text("\n".join([*lines, json.dumps(bad)]) + "\n")
    (folder / "val.jsonl").write_text((QUESTIONS / "val.jsonl").read_text())
    shutil.copy(QUESTIONS / "video_id_to_file.json", folder / "map.json")
    for split in ("train", "val"):
        media = ["--media", str(ROOT / "samples"), "--id-map", str(folder / "map.json")]
        words = ["--annotations", str(folder / f"{split}.jsonl"), *media]
        assert invoke("build", "msrvtt_qa", *words, "--out", folder / split).exit_code == 0
    return folder


@pytest.fixture
def train(questions: Path) -> Dataset:
    return open_dataset(str(questions / "train"))


@pytest.fixture
def copy(questions: Path, tmp_path: Path) -> Path:
    """The train split as a copy that may be changed."""
    shutil.copytree(questions / "train", tmp_path / "train")
    return tmp_path / "train"
