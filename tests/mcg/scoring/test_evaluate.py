"""Evaluation on a real split: every element once, failures told and wrong, controls, files, wrong command lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mcg.convert.reading import read_checkpoint
from mcg.model.mcg import MCG
from mcg.scoring.controls import CONTROLS
from mcg.scoring.evaluate import evaluate, write_scores
from mcg.tasks.task import Scores
from shards import EncodedClip, Sample, SampleError
from shards.loader.setup import RngFactory
from tests.forked import run_ranks
from tests.mcg.small_model import make_model
from tests.mcg.small_questions import COLORS, loader_config, make_task, write_questions
from tests.mcg.zero3_ranks import answer_alone, answer_in_parts, lose_alone, write_data

CPU = torch.device("cpu")
TASK = make_task()


@pytest.fixture(scope="module")
def model() -> MCG:
    return make_model(vocab_size=TASK.texts.size)


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
    model = make_model(vocab_size=TASK.texts.size).train()
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


def test_questions_about_one_clip_encode_it_once(questions: Path, model: MCG, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encode_video = model.encode_video
    monkeypatch.setattr(model, "encode_video", lambda frames: seen.append(len(frames)) or encode_video(frames))
    evaluate(TASK, model, loader_config(questions, 10), CPU)
    assert seen == [7]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("system", ["mcg", "lavender", "t2vlp"])
def test_two_ranks_that_share_the_weights_answer_as_one_process_does(system: str, tmp_path: Path) -> None:
    write_data(tmp_path)
    expected = answer_alone(tmp_path, system)
    run_ranks(answer_in_parts, (str(tmp_path), system), 2)
    losses = []
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        losses.append(found["loss"])
        assert found["whole"] == [0, 0]  # every weight was gathered, and let go
        assert set(found["answers"]) == set(expected)
        for name, answers in expected.items():
            assert set(found["answers"][name]) == set(answers) and len(answers) == (7 if name == "captions" else 10)
            for number, answer in answers.items():
                other = found["answers"][name][number]
                scores = {key: other.pop(key) for key in ("score", "scores") if key in other}
                assert scores == {key: pytest.approx(answer[key], rel=1e-4) for key in scores} and scores
                assert other == {key: value for key, value in answer.items() if key not in scores}, (name, number)
    if system == "mcg":
        for written in ("beam search", "greedy"):  # one rank has to write on for the other
            lengths = [len(answer["prediction"]) for answer in expected[written].values()]
            assert max(lengths[:4]) != max(lengths[4:8])
        spread, whole = read_checkpoint(tmp_path / "spread" / "state").state, load_file(tmp_path / "whole.safetensors")
        assert {name.removeprefix("model.") for name in spread} == set(whole)
        assert all(torch.equal(spread[f"model.{name}"], tensor) for name, tensor in whole.items())
    else:
        assert sum(losses) / 2 == pytest.approx(lose_alone(system), rel=1e-4)
