"""Evaluation on a real split: every element once, failures told and wrong, controls, files, wrong command lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mcg.controls import CONTROLS
from mcg.engine.checkpoint import CheckpointError
from mcg.evaluate import _run, evaluate, write_scores
from mcg.model.mcg import MCG
from mcg.tasks.task import Scores
from tests.mcg.small_model import make_model
from tests.mcg.small_questions import COLORS, loader_config, make_task, write_questions

CPU = torch.device("cpu")
TASK = make_task()
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
def model() -> MCG:
    return make_model(vocab_size=TASK.codec.size)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 samples, 10 questions."""
    return write_questions(tmp_path_factory.mktemp("questions") / "gray")


def test_every_question_is_answered_once_whatever_the_batch(questions: Path, model: MCG) -> None:
    found = {}
    for batch_size in (1, 4, 64):
        scores = evaluate(TASK, model, loader_config(questions, batch_size), CPU)
        assert scores.metrics["num_scored"] == 10 and scores.metrics["num_failed"] == 0
        found[batch_size] = {p["id"]: p["prediction"] for p in scores.predictions}
        assert len(found[batch_size]) == 10
        for p in scores.predictions:
            assert p["answer"] == COLORS[sum(map(int, p["id"].split("."))) % 3]
            assert p["origin"].startswith("gray/")
    assert found[1] == found[4] == found[64]


def test_failures_are_told_and_count_as_wrong(tmp_path: Path, model: MCG) -> None:
    folder = write_questions(tmp_path / "gray", broken=(1, 4))
    scores = evaluate(TASK, model, loader_config(folder, max_failure_rate=None), CPU)
    assert (scores.metrics["num_scored"], scores.metrics["num_failed"]) == (7, 3)
    assert sum(scores.metrics["accuracy"]["counts"].values()) == 10
    assert {failure["id"] for failure in scores.failures} == {"1.0", "1.1", "4.0"}
    assert all(failure["origin"].startswith("gray/") and failure["reason"] for failure in scores.failures)
    assert set(scores.metrics["accuracy"]["by_type"]) == {"kind0", "kind1"}


@pytest.mark.parametrize("training", [True, False])
def test_the_models_mode_is_put_back(questions: Path, model: MCG, training: bool) -> None:
    model.train(training)
    evaluate(TASK, model, loader_config(questions), CPU)
    assert model.training is training and model.text.training is training


def test_dropout_plays_no_part(questions: Path) -> None:
    model = make_model(vocab_size=TASK.codec.size).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.9
    scores = [evaluate(TASK, model, loader_config(questions), CPU).predictions for _ in range(2)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_changes_what_the_model_sees(
    questions: Path, model: MCG, control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    encode_video = model.encode_video
    monkeypatch.setattr(model, "encode_video", lambda frames: seen.append(frames.numpy()) or encode_video(frames))
    scores = evaluate(TASK, model, loader_config(questions), CPU, control)
    assert scores.metrics["num_scored"] == 10
    assert any(frames.any() for frames in seen) is (control != "black")


def test_scores_are_written_with_failures_only_where_there_are_any(tmp_path: Path) -> None:
    write_scores(Scores({"accuracy": 0.5}, [{"id": 1}], [{"reason": "torn"}]), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == {"accuracy": 0.5}
    assert (tmp_path / "out" / "predictions.jsonl").read_text() == '{"id": 1}\n'
    assert (tmp_path / "out" / "failures.jsonl").read_text() == '{"reason": "torn"}\n'
    write_scores(Scores({"accuracy": 1.0}, [{"id": 1}]), tmp_path / "out")
    assert not (tmp_path / "out" / "failures.jsonl").exists()


@pytest.fixture
def config(tmp_path: Path, questions: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(run=tmp_path / "run", data=questions))
    return file


def test_wrong_command_lines_are_named(config: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--split 'train': choose val or test"):
        _run(config, tmp_path, "train", ["none"], None, [])
    with pytest.raises(ValueError, match="--control 'blak': choose from none, black, shuffled, reversed"):
        _run(config, tmp_path, "test", ["blak"], None, [])
    with pytest.raises(ValueError, match=r"config\.yaml: data\.val is missing, so there is nothing to score"):
        _run(config, tmp_path, "val", ["none"], None, [])
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        _run(config, tmp_path, "test", ["none"], None, [])
