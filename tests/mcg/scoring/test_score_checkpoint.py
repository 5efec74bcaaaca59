"""Whole scorings of a checkpoint: what is left behind, which checkpoint is taken, the record of the test split."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from mcg.engine.checkpoint import CheckpointError
from mcg.scoring.score_checkpoint import score_checkpoint
from shards.base.errors import UsageError
from tests.mcg.small_checkpoint import change, run_config, write_checkpoint
from tests.mcg.small_questions import write_questions

CONFIG = """
run_dir: {run}
task: {{name: open_qa, clip: {{num_frames: 2, size: 32}}}}
model: {{vision: {{image_size: 32, num_frames: 2}}}}
objectives: {{generation: {{}}}}
data:
  train: {{batch_size: 4, blend: [{{name: gray, path: {data}}}]}}
  test: {{batch_size: 4, blend: [{{name: gray, path: {data}}}]}}
schedule: {{length: {{steps: 1}}}}
"""


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 samples, 10 questions."""
    return write_questions(tmp_path_factory.mktemp("questions") / "gray")


@pytest.fixture
def config(tmp_path: Path, questions: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(run=tmp_path / "run", data=questions))
    return file


def test_wrong_command_lines_are_named(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--split 'train': choose val or test"):
        score_checkpoint(config, tmp_path, "train")
    with pytest.raises(UsageError, match="--control 'blak': choose from none, black, shuffled, reversed"):
        score_checkpoint(config, tmp_path, "test", controls=["blak"])
    with pytest.raises(ValueError, match=r"config\.yaml: data\.val is missing, so there is nothing to score"):
        score_checkpoint(config, tmp_path, "val")
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        score_checkpoint(config, tmp_path, "test")
    with pytest.raises(UsageError, match="--select 'newest': choose latest or best"):
        score_checkpoint(config, tmp_path, "test", select="newest")


@pytest.fixture
def run(tmp_path: Path, questions: Path, device: torch.device) -> tuple[Path, Path]:
    """(config file, run folder) of a model that was not trained."""
    split = {"batch_size": 4, "blend": [{"name": "gray", "path": str(questions)}]}
    config = run_config(tmp_path / "run", data={"train": split, "val": split, "test": split})
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config.model_dump(mode="json", exclude_none=True)))
    return file, write_checkpoint(config)


def test_a_scoring_leaves_metrics_table_and_submission(
    run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = run
    score_checkpoint(config, folder, "val", controls=["none", "black"])
    out = folder / "evaluation" / "val"
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["num_scored"] == 10 and len(metrics["accuracy"]["interval"]) == 2
    submitted = json.loads((out / "submission.json").read_text())
    predictions = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert {s["question_id"]: s["answer"] for s in submitted} == {p["id"]: p["prediction"] for p in predictions}
    assert len((out / "submission.csv").read_text().splitlines()) == 11
    assert (out / "black" / "metrics.json").is_file() and not (out / "black" / "submission.json").exists()
    printed = capsys.readouterr()
    assert [line["control"] for line in _lines(printed.out)] == ["none", "black"]
    assert "kind0" in printed.err and "questions" in printed.err


def test_the_test_split_is_scored_once(run: tuple[Path, Path], tmp_path: Path) -> None:
    config, folder = run
    score_checkpoint(config, folder, "test", controls=["none", "black"], out=tmp_path / "out")
    record = folder / "evaluation" / "test_scorings.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["control"] for line in lines] == ["none", "black"]
    assert lines[0]["headline"][0] == "accuracy.overall" and lines[0]["checkpoint"].endswith("step-000001")
    message = (
        r"test_scorings\.jsonl: this run's test split was scored already, at .* with .*step-000001; choose .* --again"
    )
    with pytest.raises(ValueError, match=message):
        score_checkpoint(config, folder, "test", out=tmp_path / "elsewhere")
    score_checkpoint(config, folder, "val")
    score_checkpoint(config, folder, "test", out=tmp_path / "elsewhere", again=True)
    assert len(record.read_text().splitlines()) == 3


def test_the_record_is_of_the_weights_and_not_of_the_config(run: tuple[Path, Path], tmp_path: Path) -> None:
    config, folder = run
    score_checkpoint(config, folder, "test", out=tmp_path / "out")
    converted = tmp_path / "converted"
    shutil.copytree(folder / "checkpoints" / "step-000001", converted)
    score_checkpoint(config, converted, "test", controls=["black"], out=tmp_path / "out")
    score_checkpoint(config, converted, "test", out=tmp_path / "out")
    assert len((converted / "test_scorings.jsonl").read_text().splitlines()) == 2
    for checkpoint in (converted, folder / "checkpoints" / "step-000001"):
        with pytest.raises(ValueError, match="was scored already"):
            score_checkpoint(
                config, checkpoint, "test", out=tmp_path / "out", overrides=[f"run_dir={tmp_path / 'other'}"]
            )


def _add_best(folder: Path) -> None:
    """A best checkpoint of step 7 beside the latest one of step 1."""
    shutil.copytree(folder / "checkpoints" / "step-000001", folder / "checkpoints" / "best-000007")
    change(folder / "checkpoints" / "best-000007", step=7)
    (folder / "checkpoints" / "best").write_text("best-000007\n")


@pytest.mark.parametrize(
    ("split", "select", "named", "step", "said"),
    [
        ("test", None, "", 7, "best-000007: the best by val, step 7"),
        ("test", "latest", "", 1, "step-000001: the latest, step 1"),
        ("test", None, "checkpoints/step-000001", 1, "step-000001: the checkpoint that was named, step 1"),
        ("val", None, "", 1, "step-000001: the latest, step 1"),
        ("val", "best", "", 7, "best-000007: the best by val, step 7"),
    ],
)
def test_test_takes_what_val_has_selected_and_says_so(
    run: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    split: str,
    select: str | None,
    named: str,
    step: int,
    said: str,
) -> None:
    config, folder = run
    _add_best(folder)
    score_checkpoint(config, folder / named, split, select=select)
    printed = capsys.readouterr()
    assert [line["step"] for line in _lines(printed.out)] == [step]
    assert said in printed.err


def test_without_a_best_checkpoint_the_latest_is_scored(
    run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = run
    with pytest.raises(CheckpointError, match="with checkpoints/best; only a run that scores"):
        score_checkpoint(config, folder, "val", select="best")
    score_checkpoint(config, folder, "test")
    assert "step-000001: the latest, step 1" in capsys.readouterr().err


def _lines(printed: str) -> list[dict[str, Any]]:
    """The lines that are JSON; DeepSpeed writes others."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
