"""Answers at empty slots: of a list piece by piece, of the vocabulary by the first; both measures; what is learned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mcg.answering.answer_list import AnswerListError
from mcg.answering.answer_slot import AnswerSlot
from mcg.answering.answerer import Answerer
from mcg.answering.asked import Asked
from mcg.model.t2vlp import T2vlp
from mcg.objectives.config import MaskedLMConfig
from mcg.objectives.masked_lm import MaskedLM
from mcg.objectives.states import States
from mcg.scoring.evaluate import evaluate
from mcg.tasks.config import OpenQAConfig
from mcg.tasks.open_qa import OpenQA
from mcg.text.texts import NO_LABEL
from tests.mcg.answering.small_masked import tensors
from tests.mcg.small_checkpoint import run_config, write_checkpoint
from tests.mcg.small_model import TEXTS, model_config
from tests.mcg.small_questions import COLORS, loader_config, write_questions
from tests.mcg.small_t2vlp import TEXTS as BYTE_PAIRS
from tests.mcg.small_t2vlp import frames, make_t2vlp, t2vlp_config
from tests.mcg.tasks.small_sample import draws, sample

VIDEO = Path(__file__).resolve().parents[3] / "samples" / "videos" / "bbb_tree.mp4"
ANSWERS = ["red", "playing guitar", "playing drums", "skateboarders"]
QUESTIONS = ["what is the man doing?", "how many dogs!", "what color is the cup"]


@pytest.fixture(scope="module")
def model() -> T2vlp:
    return make_t2vlp()


@pytest.fixture
def way(tmp_path: Path) -> Callable[..., AnswerSlot]:
    """Of the answers above, unless it is without a list."""

    def make(listed: bool = True, **fields: Any) -> AnswerSlot:
        return _task(tmp_path, listed, **fields).answering  # type: ignore[return-value]

    return make


def _task(folder: Path, listed: bool = True, **fields: Any) -> OpenQA:
    (folder / "answers.json").write_text(json.dumps(ANSWERS))
    settings = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "answering": "answer_slot"}
    fields |= {"answer_list": str(folder / "answers.json")} if listed else {}
    return OpenQA(OpenQAConfig.model_validate(settings | {"max_question_tokens": 14} | fields), BYTE_PAIRS)


def _asked(model: T2vlp, way: AnswerSlot) -> Asked:
    rows = [way.question(text, None) for text in QUESTIONS]
    return Asked(model, model.encode_video(frames(3)), tensors(rows))


def _slot_logs(model: T2vlp, question: str, row: int, num_slots: int) -> torch.Tensor:
    """Log-probabilities (k, K) at the slots of one question about clip `row` alone."""
    alone = tensors([BYTE_PAIRS.with_slots(question, 14, num_slots)])
    text = model.encode_text(alone["text_ids"], alone["text_mask"].bool())
    fused = model.fuse(text, model.encode_video(frames(3)).rows(torch.tensor([row])))
    logs: torch.Tensor = model.token_logits(fused.text_BLD[0, 14 : 14 + num_slots]).log_softmax(-1)
    return logs


@torch.inference_mode()
def test_answers_of_a_list_are_scored_whole_piece_by_piece(model: T2vlp, way: Callable[..., AnswerSlot]) -> None:
    found = way().answers(_asked(model, way()), 9)
    for row, text in enumerate(QUESTIONS):
        expected = {}
        for answer in ANSWERS:
            pieces = BYTE_PAIRS.codec.pieces(answer)
            logs = _slot_logs(model, text, row, len(pieces))
            expected[answer] = float(logs[torch.arange(len(pieces)), pieces].mean())
        assert [answer for answer, _ in found[row]] == sorted(expected, key=lambda a: -expected[a])
        assert dict(found[row]) == pytest.approx(expected, rel=1e-4)


@torch.inference_mode()
def test_the_likeliest_piece_stands_beside_the_answer_and_is_it_without_a_list(
    model: T2vlp, way: Callable[..., AnswerSlot]
) -> None:
    notes = way().notes(_asked(model, way()))
    alone = way(listed=False)
    asked = _asked(model, alone)
    for row, answers in enumerate(alone.answers(asked, 1)):
        piece = int(_slot_logs(model, QUESTIONS[row], row, 1).argmax())
        spelt = BYTE_PAIRS.decode(np.array([piece]))
        assert answers[0][0] == spelt and alone.notes(asked)[row] == {"first_piece": piece}
        assert notes[row] == {"first_piece": piece, "open_prediction": spelt}


def test_training_is_told_every_piece_and_pairs_the_video_with_question_and_answer(
    tmp_path: Path, model: T2vlp
) -> None:
    record = {"question": "what is he doing", "answer": "playing guitar", "type": "what"}
    arrays = _task(tmp_path).encode(sample(record), draws()).arrays
    labels, ids = arrays["masked_labels"], arrays["masked_ids"]
    assert labels[labels != NO_LABEL].tolist() == BYTE_PAIRS.codec.pieces("playing guitar")
    assert (ids[labels != NO_LABEL] == BYTE_PAIRS.empty_id).all() and arrays["masked_mask"].sum() == 6 + 2
    assert BYTE_PAIRS.decode(arrays["text_ids"]) == "what is he doing playing guitar"
    assert {"text_mask", "video_key"} < set(arrays)
    asked = _task(tmp_path).encode_for_evaluation(sample(record), draws()).arrays
    assert "masked_ids" not in asked and BYTE_PAIRS.decode(asked["text_ids"]) == "what is he doing"
    released = _task(tmp_path, compat="released").encode(sample(record), draws()).arrays
    assert released["masked_labels"].max() == BYTE_PAIRS.codec.pieces("playing guitar")[0]
    assert (released["masked_ids"] == BYTE_PAIRS.empty_id).sum() == 1
    inputs = {name: torch.from_numpy(array)[None] for name, array in arrays.items()} | {"frames": frames(1)}
    loss = MaskedLM(MaskedLMConfig())(States(model, inputs, with_attention=False))
    logs = _slot_logs(model, record["question"], 0, 2)
    assert loss.item() == pytest.approx(
        -logs[[0, 1], BYTE_PAIRS.codec.pieces("playing guitar")].mean().item(), rel=1e-4
    )


def test_both_measures_are_told_and_how_many_answers_the_first_piece_takes_for_others(tmp_path: Path) -> None:
    task = _task(tmp_path)
    first = {answer: BYTE_PAIRS.codec.pieces(answer)[0] for answer in [*ANSWERS, "doghouse", "dog"]}
    told = [("red", "red", "red"), ("playing drums", "playing guitar", "playing guitar"), ("blue", "red", "dog")]
    predictions = [
        {"answer": answer, "prediction": given, "first_piece": first[piece], "open_prediction": "red", "type": "t"}
        for answer, given, piece in told
    ]
    predictions.append({**predictions[2], "answers": ["blue", "dog"], "answer": "blue"})
    metrics = task.score(predictions, [{"type": "t", "answer": "red", "reason": "torn"}]).metrics
    assert metrics["accuracy"]["overall"] == 1 / 5
    assert metrics["open_vocabulary"]["overall"] == 1 / 5
    assert metrics["first_piece"]["overall"] == 3 / 5, "playing drums passes for playing guitar"
    assert metrics["first_piece"]["shared"] == {"answers": 2 / 5, "questions": 1 / 5}
    assert metrics["reach"] == {"vocabulary": 4 / 5, "list": 3 / 5}


def test_as_released_a_list_is_not_used(way: Callable[..., AnswerSlot], model: T2vlp) -> None:
    released = way(compat="released")
    assert set(released.question("what?", None)) == {"text_ids", "text_mask"}
    with torch.inference_mode():
        assert set(released.notes(_asked(model, released))[0]) == {"first_piece"}


def test_a_model_and_texts_without_slots_and_a_list_that_does_not_fit_are_refused(
    way: Callable[..., AnswerSlot],
) -> None:
    with pytest.raises(ValueError, match=r"'answer_slot', which answers at an empty slot: this model has no slot"):
        way().check(model_config())
    with pytest.raises(ValueError, match=r"'answer_slot', which needs a model that reads byte pairs"):
        AnswerSlot(way().config, TEXTS)
    with pytest.raises(AnswerListError, match=r"answer number 1, 'playing guitar', has 2 word pieces, 1 to 1 fit"):
        way(max_answer_tokens=3)


def test_a_split_is_scored_and_files_are_answered_with_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "colours.json").write_text(json.dumps(COLORS))
    task = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "answering": "answer_slot"}
    task |= {"max_question_tokens": 14, "max_answer_tokens": 5, "answer_list": str(tmp_path / "colours.json")}
    objectives: dict[str, Any] = {"masked_lm": {}, "contrastive": {}}
    run = write_checkpoint(run_config(tmp_path / "run", task=task, model=t2vlp_config(), objectives=objectives))
    answerer = Answerer.load(run, device="cpu")
    split = loader_config(write_questions(tmp_path / "gray"))
    metrics = evaluate(answerer.task, answerer.model, split, torch.device("cpu")).metrics
    assert metrics["num_scored"] == 10 and metrics["reach"] == {"vocabulary": 1.0, "list": 1.0}
    assert {"accuracy", "first_piece", "open_vocabulary"} <= set(metrics)
    found = answerer.ask(VIDEO, "what color is it")
    assert {candidate.answer for candidate in found} == set(COLORS)
    chosen = answerer.ask(VIDEO, "what color is it", choices=["dark gray", "pink"])
    assert {candidate.answer for candidate in chosen} == {"dark gray", "pink"}
