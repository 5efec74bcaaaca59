"""Question answering: examples from records, references that do not fit, accuracy with failures."""

from __future__ import annotations

from typing import Any

import pytest

from mcg.tasks.open_qa import OpenQA, OpenQAConfig
from mcg.text import TextCodec
from shards import SampleError
from tests.mcg.tasks.small_sample import draws, sample

CODEC = TextCodec()
RECORD = {"question": "what is the man doing", "answer": "playing guitar", "type": "what", "id": "q7"}


def _task(**fields: Any) -> OpenQA:
    clip = {"num_frames": 4, "size": 32, "sampling": "random", "flip": 0.5}
    return OpenQA(OpenQAConfig.model_validate({"name": "open_qa", "clip": clip} | fields))


def test_an_example_asks_with_enc_and_answers_from_dec() -> None:
    clip = _task().encode(sample(RECORD), draws())
    assert set(clip.arrays) == {"text_ids", "text_mask", "answer_ids", "answer_mask"}
    assert clip.arrays["text_ids"][0] == CODEC.enc and clip.arrays["answer_ids"][0] == CODEC.dec
    assert CODEC.decode(clip.arrays["text_ids"]) == RECORD["question"]
    assert CODEC.decode(clip.arrays["answer_ids"]) == RECORD["answer"]
    assert clip.meta == RECORD
    assert clip.arrays["text_mask"].all() and clip.arrays["answer_mask"].all()


def test_type_and_id_have_stand_ins() -> None:
    record = {"question": "who", "answer": "man", "type": None}
    meta = _task().encode(sample(record, index=3), draws()).meta
    assert meta["type"] == "all" and meta["id"] == "shapes/000003.tar:clip-7#3"


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"question": ""}, "no question in"),
        ({"answer": " "}, "no answer in"),
        ({"answer": None}, "no answer in"),
        ({"question": None, "answer": ""}, "no question and no answer in"),
    ],
)
def test_an_empty_question_or_answer_names_the_record(change: dict[str, Any], missing: str) -> None:
    for encode in (_task().encode, _task().encode_for_evaluation):
        with pytest.raises(SampleError, match=rf"^shapes/000003\.tar:clip-7: record 1: {missing} \['answer', 'id'"):
            encode(sample(RECORD | change, index=1), draws())


def test_an_answer_that_does_not_fit_is_refused_in_training_only() -> None:
    task = _task(max_answer_tokens=4)
    long = sample(RECORD | {"answer": "playing a guitar"})
    message = r"record 0: the answer 'playing a guitar' has 3 word pieces, 1 to 2 fit task\.max_answer_tokens"
    with pytest.raises(SampleError, match=message):
        task.encode(long, draws())
    clip = task.encode_for_evaluation(long, draws())
    assert clip.meta["answer"] == "playing a guitar" and len(clip.arrays["answer_ids"]) == 4


def test_an_answer_without_a_piece_is_refused() -> None:
    with pytest.raises(SampleError, match="has 0 word pieces, 1 to 8 fit"):
        _task().encode(sample(RECORD | {"answer": "\u200b"}), draws())


def test_a_long_question_is_cut() -> None:
    arrays = _task(max_question_tokens=5).encode(sample(RECORD), draws()).arrays
    assert len(arrays["text_ids"]) == 5 and arrays["text_ids"][-1] == CODEC.sep


def test_evaluation_leaves_out_chance() -> None:
    plans = {_task().encode_for_evaluation(sample(RECORD), draws(seed)).plan for seed in range(8)}
    assert len(plans) == 1 and not next(iter(plans)).flip


def _prediction(kind: str, answer: str, prediction: str) -> dict[str, Any]:
    return {"question": "?", "answer": answer, "type": kind, "id": "1", "prediction": prediction, "origin": "o"}


def test_scores_by_type_beside_the_commonest_answer() -> None:
    predictions = [
        _prediction("color", "red", "red"),
        _prediction("color", "red", "blue"),
        _prediction("count", "two", "two"),
        _prediction("count", "one", "one"),
    ]
    metrics = _task().score(predictions, []).metrics
    assert metrics["accuracy"]["overall"] == 0.75
    assert metrics["accuracy"]["by_type"] == {"color": 0.5, "count": 1.0}
    assert metrics["baseline"]["by_type"] == {"color": 1.0, "count": 0.5}
    assert (metrics["num_scored"], metrics["num_failed"]) == (4, 0)


def test_failures_are_wrong_answers_of_their_type_where_it_is_known() -> None:
    failures = [
        {"question": "?", "answer": "red", "type": "color", "origin": "a", "reason": "torn"},
        {"origin": "b", "reason": "checksum"},
    ]
    scores = _task().score([_prediction("color", "red", "red"), _prediction("count", "two", "two")], failures)
    accuracy = scores.metrics["accuracy"]
    assert accuracy["overall"] == 0.5
    assert accuracy["by_type"] == {"color": 0.5, "count": 1.0, "failed": 0.0}
    assert scores.metrics["baseline"]["overall"] == 0.75  # what cannot be read is right for nobody
    assert scores.metrics["num_failed"] == 2 and scores.failures == failures
