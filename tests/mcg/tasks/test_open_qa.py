"""Question answering: examples from records, references that do not fit, three ways to answer, scores with failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mcg.metrics.wordnet import WordNetError
from mcg.tasks.config import OpenQAConfig
from mcg.tasks.open_qa import OpenQA
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL
from mcg.text.wordpiece import WordPieces
from shards import MediaFacts, Origin, Sample, SampleError
from shards.base.errors import MediaError
from tests.mcg.small_model import TEXTS
from tests.mcg.tasks.small_sample import draws, sample
from tests.small_wordnet import write_wordnet

CODEC = WordPieces()
RECORD = {"question": "what is the man doing", "answer": "playing guitar", "type": "what", "id": "q7"}


CLIP = {"num_frames": 4, "size": 32, "sampling": "random", "flip": 0.5}


def _task(**fields: Any) -> OpenQA:
    return OpenQA(OpenQAConfig.model_validate({"name": "open_qa", "clip": CLIP} | fields), TEXTS)


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
    assert clip.meta["answer"] == "playing a guitar" and set(clip.arrays) == {"text_ids", "text_mask"}


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


def test_questions_that_are_cut_are_counted() -> None:
    for length, num_cut in ((6, 1), (7, 0)):  # five pieces and two special tokens
        meta = _task(max_question_tokens=length).encode_for_evaluation(sample(RECORD), draws()).meta
        predictions = [{**meta, "prediction": "tap", "score": 0.0}, _prediction("count", "two", "two")]
        assert _task().score(predictions, []).metrics["num_cut"] == num_cut


@pytest.mark.parametrize("question", ["the [MASK] runs to the [MASK]", "a _____ sits on a _____"])
def test_a_sentence_with_two_blanks_names_the_record(question: str) -> None:
    config = OpenQAConfig.model_validate({"name": "open_qa", "clip": CLIP, "answering": "masked_word"})
    task = OpenQA(config, MaskedWords())
    with pytest.raises(SampleError, match=r"clip-7: record 4: one blank is answered at a time, found several in '"):
        task.encode(sample(RECORD | {"question": question}, index=4), draws())


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


def test_an_example_of_classification_has_a_label(tmp_path: Path) -> None:
    (tmp_path / "answers.txt").write_text("red\nblue\ntwo\nplaying guitar\n")
    task = _task(answering="classification", answer_list=str(tmp_path / "answers.txt"))
    assert task.encode(sample(RECORD), draws()).arrays["label"].tolist() == 3
    other = sample(RECORD | {"answer": "violin"})
    assert task.encode(other, draws()).arrays["label"].tolist() == NO_LABEL
    assert "answer_ids" not in task.encode(sample(RECORD), draws()).arrays


def test_a_video_without_frames_is_refused() -> None:
    empty = Sample(Origin("d", "s.tar", "k"), b"", MediaFacts("video", "h264", 64, 48, 0), RECORD, 0, {})
    with pytest.raises(MediaError, match="the index says 0 frames of 64x48 pixels"):
        _task().encode(empty, draws())


# ------------------------------------------------------------ scores


def test_hyphens_apostrophes_case_and_accents_are_no_mistakes() -> None:
    task = _task()
    given = {
        "t-shirt": "t-shirt",
        "The man's hat": "the man's hat",
        "2:00": "2:00",
        "café": "cafe",
        "U.S.A.": "u. s. a.",
    }
    answered = [_prediction("what", answer, prediction) for answer, prediction in given.items()]
    assert task.score(answered, []).metrics["accuracy"]["overall"] == 1.0
    released = _task(compat="released")
    assert released.score([_prediction("what", "t-shirt", "t - shirt")], []).metrics["accuracy"]["overall"] == 0.0


def test_any_of_several_references_is_right() -> None:
    both = [_prediction("DL", "home", given) | {"answers": ["home", "house"]} for given in ("house", "home", "barn")]
    assert _task().score(both, []).metrics["accuracy"]["overall"] == pytest.approx(2 / 3)


def test_groups_and_intervals_are_reported() -> None:
    task = _task(groups={"both": ("color", "count")})
    metrics = task.score([_prediction("color", "red", "red"), _prediction("count", "two", "one")], []).metrics
    assert metrics["accuracy"]["by_group"] == {"both": 0.5}
    low, high = metrics["accuracy"]["interval"]
    assert 0 < low < 0.5 < high < 1


def test_wups_is_the_headline_where_it_is_the_metric(tmp_path: Path) -> None:
    task = _task(metric="wups", wordnet=str(write_wordnet(tmp_path)))
    predictions = [_prediction("CH", "dog", "cat"), _prediction("CW", "dog", "dogs")]
    scores = task.score(predictions, [{"type": "CH", "answer": "dog", "origin": "o", "reason": "torn"}])
    assert scores.headline == ("wups0.overall", pytest.approx((2 / 3 + 1) / 3))
    assert scores.metrics["wups0"]["by_type"] == {"CH": pytest.approx(1 / 3), "CW": 1.0}
    assert scores.metrics["wups9"]["overall"] == pytest.approx((2 / 30 + 1) / 3)
    assert scores.metrics["accuracy"]["overall"] == 0.0
    assert scores.predictions[0]["wups0"] == pytest.approx(2 / 3)


def test_missing_wordnet_is_told_when_the_task_is_made(tmp_path: Path) -> None:
    with pytest.raises(WordNetError, match=r"no WordNet in .*nowhere, and WUPS needs it: install it"):
        _task(metric="wups", wordnet=str(tmp_path / "nowhere"))
    assert _task(wordnet=str(tmp_path / "nowhere")).score([_prediction("CH", "dog", "dog")], []).metrics["accuracy"]


def test_wups_takes_the_best_reference_and_the_releases_threshold_where_there_is_one(tmp_path: Path) -> None:
    folder = str(write_wordnet(tmp_path))
    one, two = _prediction("CH", "town", "dog"), _prediction("CH", "town", "dog") | {"answers": ["town", "animal"]}
    score = _task(metric="wups", wordnet=folder).score
    assert score([dict(one)], []).metrics["wups0"]["overall"] == pytest.approx(2 / 5)
    assert score([dict(two)], []).metrics["wups0"]["overall"] == pytest.approx(4 / 5)
    released = _task(metric="wups", wordnet=folder, compat="released").score
    close = _prediction("CH", "poodle", "dog")  # 6 / 7
    same = _prediction("CH", "dog", "dog")
    assert released([dict(same)], []).metrics["wups9"]["overall"] == 1.0
    assert released([dict(close)], []).metrics["wups9"]["overall"] == pytest.approx(0.1 * 6 / 7)


def test_the_submission_holds_every_question_with_an_id() -> None:
    task = _task()
    failures = [{"id": "9", "type": "count", "origin": "o", "reason": "torn"}]
    made = task.submission(task.score([_prediction("count", "two", "one")], failures))
    assert made.content == [{"question_id": "1", "answer": "one"}, {"question_id": "9", "answer": ""}]
    assert np.asarray(made.rows).shape == (2, 2)


def test_the_list_and_the_whole_vocabulary_are_scored_side_by_side_and_how_far_each_reaches(tmp_path: Path) -> None:
    (tmp_path / "answers.txt").write_text("red\ntwo\nplaying guitar\n")
    fields = {"name": "open_qa", "clip": CLIP, "answering": "masked_word", "answer_list": str(tmp_path / "answers.txt")}
    task = OpenQA(OpenQAConfig.model_validate(fields), MaskedWords())
    predictions = [
        _prediction("color", "red", "red") | {"open_prediction": "blue"},
        _prediction("what", "playing guitar", "playing guitar") | {"open_prediction": "guitar"},
        _prediction("what", "dog", "two") | {"open_prediction": "dog"},
        _prediction("what", "\u2603", "red") | {"open_prediction": ""},  # spelt by no piece: never right
    ]
    metrics = task.score(predictions, []).metrics
    assert metrics["accuracy"]["overall"] == 0.5 and metrics["accuracy"]["by_type"]["color"] == 1.0
    assert metrics["open_vocabulary"]["overall"] == 0.25 and metrics["open_vocabulary"]["by_type"]["color"] == 0.0
    assert metrics["reach"] == {"vocabulary": 0.5, "list": 0.5}


def test_a_classifier_reaches_its_list(tmp_path: Path) -> None:
    (tmp_path / "answers.txt").write_text("red\ntwo\n")
    task = _task(answering="classification", answer_list=str(tmp_path / "answers.txt"))
    metrics = task.score([_prediction("color", "red", "red"), _prediction("what", "dog", "two")], []).metrics
    assert metrics["reach"] == {"list": 0.5} and "open_vocabulary" not in metrics
