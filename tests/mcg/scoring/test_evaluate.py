"""Evaluation on a real split: every element once, failures told and wrong, controls, files, wrong command lines."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing
from safetensors.torch import load_file

from mcg.convert.reading import read_checkpoint
from mcg.engine.checkpoint import CheckpointError
from mcg.evaluate import _run, evaluate, write_scores
from mcg.model.mcg import MCG
from mcg.scoring.controls import CONTROLS
from mcg.tasks.task import Scores
from shards import EncodedClip, Sample, SampleError
from shards.worker import RngFactory
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_model import make_model
from tests.mcg.small_questions import COLORS, loader_config, make_task, write_questions
from tests.mcg.zero3_ranks import answer_alone, answer_in_parts, write_data

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


def test_questions_about_one_clip_that_fail_for_several_reasons_are_told_each_with_its_own(
    tmp_path: Path, model: MCG, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task()
    encode = task.encode_for_evaluation

    def picky(sample: Sample, rng: RngFactory) -> EncodedClip:
        clip = encode(sample, rng)
        if sample.origin.key == "0002" and sample.record_index == 0:
            raise SampleError(sample.origin, "asked too early")
        if sample.origin.key == "0002" and sample.record_index == 1:
            raise SampleError(sample.origin, "asked too late")
        # the same bytes in other hands fail to decode for a reason of their own
        return replace(clip, media=b"third") if sample.record_index == 2 else clip

    monkeypatch.setattr(task, "encode_for_evaluation", picky)
    folder = write_questions(tmp_path / "gray", records_of=(1, 1, 3))
    scores = evaluate(task, model, loader_config(folder, max_failure_rate=None), CPU)
    told = {(failure["origin"], failure["element"]): failure for failure in scores.failures}
    assert [told["gray/000000.tar:0002", element]["reason"] for element in (2, 3)] == [
        "asked too early",
        "asked too late",
    ]
    decoded = told["gray/000000.tar:0002", 4]
    assert (decoded["id"], decoded["stage"]) == ("2.2", "decode") and "asked" not in decoded["reason"]
    assert len(scores.failures) == scores.metrics["num_failed"] == 4  # and that of number 5, which has three as well


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
    with pytest.raises(ValueError, match="--select 'newest': choose latest or best"):
        _run(config, tmp_path, "test", ["none"], None, [], select="newest")


def test_questions_about_one_clip_encode_it_once(questions: Path, model: MCG, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encode_video = model.encode_video
    monkeypatch.setattr(model, "encode_video", lambda frames: seen.append(len(frames)) or encode_video(frames))
    evaluate(TASK, model, loader_config(questions, 10), CPU)
    assert seen == [7]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_ranks_that_share_the_weights_answer_as_one_process_does(tmp_path: Path) -> None:
    write_data(tmp_path)
    expected = answer_alone(tmp_path)
    torch.multiprocessing.spawn(answer_in_parts, args=(str(tmp_path),), nprocs=2)
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found["whole"] == [0, 0]  # every weight was gathered, and let go
        assert set(found["answers"]) == set(expected)
        for name, answers in expected.items():
            assert set(found["answers"][name]) == set(answers) and len(answers) == 10
            for number, answer in answers.items():
                other = found["answers"][name][number]
                scores = {key: other.pop(key) for key in ("score", "scores") if key in other}
                assert scores == {key: pytest.approx(answer[key], rel=1e-4) for key in scores} and scores
                assert other == {key: value for key, value in answer.items() if key not in scores}, (name, number)
    for written in ("beam search", "greedy"):  # one rank has to write on for the other
        lengths = [len(answer["prediction"]) for answer in expected[written].values()]
        assert max(lengths[:4]) != max(lengths[4:8])
    spread, whole = read_checkpoint(tmp_path / "spread" / "state").state, load_file(tmp_path / "whole.safetensors")
    assert {name.removeprefix("model.") for name in spread} == set(whole)
    assert all(torch.equal(spread[f"model.{name}"], tensor) for name, tensor in whole.items())


# ------------------------------------------------------------ whole scorings of a checkpoint


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
    _run(config, folder, "val", ["none", "black"], None, [])
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
    _run(config, folder, "test", ["none", "black"], tmp_path / "out", [])
    record = folder / "evaluation" / "test_scorings.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["control"] for line in lines] == ["none", "black"]
    assert lines[0]["headline"][0] == "accuracy.overall" and lines[0]["checkpoint"].endswith("step-000001")
    message = (
        r"test_scorings\.jsonl: this run's test split was scored already, at .* with .*step-000001; choose .* --again"
    )
    with pytest.raises(ValueError, match=message):
        _run(config, folder, "test", ["none"], tmp_path / "elsewhere", [])
    _run(config, folder, "val", ["none"], None, [])
    _run(config, folder, "test", ["none"], tmp_path / "elsewhere", [], again=True)
    assert len(record.read_text().splitlines()) == 3


def test_the_record_is_of_the_weights_and_not_of_the_config(run: tuple[Path, Path], tmp_path: Path) -> None:
    config, folder = run
    _run(config, folder, "test", ["none"], tmp_path / "out", [])
    converted = tmp_path / "converted"
    shutil.copytree(folder / "checkpoints" / "step-000001", converted)
    _run(config, converted, "test", ["black"], tmp_path / "out", [])
    _run(config, converted, "test", ["none"], tmp_path / "out", [])
    assert len((converted / "test_scorings.jsonl").read_text().splitlines()) == 2
    for checkpoint in (converted, folder / "checkpoints" / "step-000001"):
        with pytest.raises(ValueError, match="was scored already"):
            _run(config, checkpoint, "test", ["none"], tmp_path / "out", [f"run_dir={tmp_path / 'other'}"])


def _add_best(folder: Path) -> None:
    """A best checkpoint of step 7 beside the latest one of step 1."""
    shutil.copytree(folder / "checkpoints" / "step-000001", folder / "checkpoints" / "best-000007")
    facts = folder / "checkpoints" / "best-000007" / "checkpoint.json"
    facts.write_text(json.dumps({**json.loads(facts.read_text()), "step": 7}))
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
    _run(config, folder / named, split, ["none"], None, [], select=select)
    printed = capsys.readouterr()
    assert [line["step"] for line in _lines(printed.out)] == [step]
    assert said in printed.err


def test_without_a_best_checkpoint_the_latest_is_scored(
    run: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = run
    with pytest.raises(CheckpointError, match="with checkpoints/best; only a run that scores"):
        _run(config, folder, "val", ["none"], None, [], select="best")
    _run(config, folder, "test", ["none"], None, [])
    assert "step-000001: the latest, step 1" in capsys.readouterr().err


def _lines(printed: str) -> list[dict[str, Any]]:
    """The lines that are JSON; DeepSpeed writes others."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
