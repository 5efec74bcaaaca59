"""Multiple choice: examples from records, the likeliest choice, accuracy by type, wrong records named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mcg.engine.tensors import to_tensors
from mcg.model.mcg import MCG
from mcg.tasks.config import MultipleChoiceConfig
from mcg.tasks.multiple_choice import MultipleChoice
from mcg.text.masked_words import MaskedWords
from mcg.text.wordpiece import WordPieces
from shards import Batch, EncodedClip, SampleError
from shards.loader.stages.batch import Slot
from shards.loader.stages.collate import collate
from tests.mcg.small_model import TEXTS, make_model, model_config, text_config
from tests.mcg.tasks.small_sample import ORIGIN, draws, sample

CODEC = WordPieces()
CHOICES = ["roll the handle", "tap", "strum the string", "hit", "pat with hand"]
RECORD: dict[str, Any] = {
    "question": "how do the men play",
    "answer": "strum the string",
    "answer_index": 2,
    "choices": CHOICES,
    "type": "CH",
    "id": "401_6",
}


def _task(**fields: Any) -> MultipleChoice:
    settings = {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, "max_answer_tokens": 8}
    return MultipleChoice(MultipleChoiceConfig.model_validate(settings | fields), TEXTS)


@pytest.fixture(scope="module")
def model() -> MCG:
    return make_model(vocab_size=CODEC.size).eval()


def test_training_writes_the_right_choice() -> None:
    arrays = _task().encode(sample(RECORD), draws()).arrays
    assert CODEC.decode(arrays["answer_ids"]) == "strum the string" and arrays["answer_ids"][0] == CODEC.dec
    assert set(arrays) == {"text_ids", "text_mask", "answer_ids", "answer_mask"}


def test_evaluation_shows_every_choice() -> None:
    clip = _task().encode_for_evaluation(sample(RECORD), draws())
    ids = clip.arrays["choice_ids"]
    assert [CODEC.decode(row) for row in ids] == CHOICES and (ids[:, 0] == CODEC.dec).all()
    assert clip.arrays["choice_mask"].sum(1).tolist() == [5, 3, 6, 3, 5]
    assert clip.meta["answer_index"] == 2 and clip.meta["choices"] == CHOICES


def test_choices_that_push_the_mask_out_name_the_record() -> None:
    fields = {"choosing": "numbered", "max_question_tokens": 20}
    config = MultipleChoiceConfig.model_validate(
        {"name": "multiple_choice", "clip": {"num_frames": 2, "size": 32}, **fields}
    )
    what = r"clip-7: record 3: question and choices are \d+ word pieces, 19 fit task\.max_question_tokens; raise it"
    with pytest.raises(SampleError, match=what):
        MultipleChoice(config, MaskedWords()).encode(sample(RECORD, index=3), draws())


def test_questions_that_are_cut_are_counted() -> None:
    for length, num_cut in ((6, 1), (7, 0)):  # five pieces and two special tokens
        meta = _task(max_question_tokens=length).encode_for_evaluation(sample(RECORD), draws()).meta
        scores = _task().score([{**meta, "prediction": "tap", "prediction_index": 1}], [])
        assert scores.metrics["num_cut"] == num_cut


def _batch(clips: list[EncodedClip]) -> Batch:
    g = np.random.default_rng(0)
    frames = [g.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8) for _ in clips]
    slots = [Slot(ORIGIN, frame, clip.arrays, clip.meta) for frame, clip in zip(frames, clips, strict=True)]
    return collate(slots, 16)


@pytest.mark.parametrize("likelihood", ["mean", "sum"])
def test_the_likeliest_choice_is_given(model: MCG, likelihood: str) -> None:
    task = _task(likelihood=likelihood)
    records = [RECORD, RECORD | {"question": "why", "choices": CHOICES[::-1]}]
    batch = _batch([task.encode_for_evaluation(sample(record), draws()) for record in records])
    inputs = to_tensors(batch, torch.device("cpu"))
    with torch.inference_mode():
        predictions = task.predict(model, batch, inputs)
        fused = model.fuse(
            model.encode_text(inputs["text_ids"], inputs["text_mask"].bool()), model.encode_video(inputs["frames"])
        )
        for row, (record, found) in enumerate(zip(records, predictions, strict=True)):
            for choice, score in zip(record["choices"], found["scores"], strict=True):
                ids = torch.from_numpy(CODEC.encode(choice, 8, first=CODEC.dec))[None]
                logs = model.answer_logits(
                    model.decode(ids[:, :-1], torch.ones_like(ids[:, :-1]), fused.rows(torch.tensor([row])))
                ).log_softmax(-1)
                each = logs.gather(2, ids[:, 1:, None])
                assert score == pytest.approx(float(each.mean() if likelihood == "mean" else each.sum()), rel=1e-4)
            assert found["prediction_index"] == int(np.argmax(found["scores"]))
            assert found["prediction"] == record["choices"][found["prediction_index"]]


def test_failed_slots_and_padding_are_left_to_the_caller(model: MCG) -> None:
    task = _task()
    batch = _batch([task.encode_for_evaluation(sample(RECORD), draws())] * 2)
    batch.meta[1] = {}
    with torch.inference_mode():
        predictions = task.predict(model, batch, to_tensors(batch, torch.device("cpu")))
    assert len(predictions) == 2 and predictions[1] == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": " "}, r"record 3: no question in \['answer', 'answer_index'"),
        ({"choices": None}, r"record 3: choices must be 5 texts \(task\.num_choices\), found None"),
        ({"choices": CHOICES[:4]}, r"record 3: choices must be 5 texts"),
        ({"choices": [*CHOICES[:4], ""]}, r"record 3: choices must be 5 texts"),
        ({"answer_index": 5}, r"record 3: answer_index must be 0 to 4, found 5"),
        ({"answer_index": "2"}, r"record 3: answer_index must be 0 to 4, found 2"),
        ({"answer_index": True}, r"record 3: answer_index must be 0 to 4, found True"),
    ],
)
def test_wrong_records_are_named(change: dict[str, Any], message: str) -> None:
    for encode in (_task().encode, _task().encode_for_evaluation):
        with pytest.raises(SampleError, match=rf"^shapes/000003\.tar:clip-7: {message}"):
            encode(sample(RECORD | change, index=3), draws())


def test_a_choice_that_does_not_fit_is_refused_in_training_and_cut_in_evaluation() -> None:
    task = _task(max_answer_tokens=4)
    message = r"record 0: the answer 'strum the string' has 4 word pieces, 1 to 2 fit task\.max_answer_tokens"
    with pytest.raises(SampleError, match=message):
        task.encode(sample(RECORD), draws())
    clip = task.encode_for_evaluation(sample(RECORD), draws())
    assert clip.arrays["choice_ids"].shape == (5, 4) and clip.arrays["choice_mask"].sum(1).tolist() == [4, 3, 4, 3, 4]


def test_scores_by_type_with_failures_wrong_and_the_submission() -> None:
    task = _task(groups={"C": ("CH", "CW"), "T": ("TN", "TP")})

    def answered(kind: str, given: int, right: int, number: int) -> dict[str, Any]:
        return {"id": f"v_{number}", "type": kind, "prediction": "", "prediction_index": given, "answer_index": right}

    predictions = [answered("CH", 1, 1, 0), answered("CW", 1, 2, 1), answered("TN", 0, 0, 2)]
    failures = [{"id": "v_3", "type": "CH", "answer_index": 4, "origin": "o", "reason": "torn"}]
    scores = task.score(predictions, failures)
    assert scores.headline == ("accuracy.overall", 0.5)
    assert scores.metrics["accuracy"]["by_type"] == {"CH": 0.5, "CW": 0.0, "TN": 1.0}
    assert scores.metrics["accuracy"]["by_group"] == {"C": pytest.approx(1 / 3), "T": 1.0}
    assert scores.metrics["baseline"]["overall"] == 0.2
    assert task.submission(scores).content["v_3"] == {"prediction": -1, "answer": 4}


def test_a_decoder_is_needed() -> None:
    _task().check_model(model_config())
    with pytest.raises(
        ValueError,
        match=r"choosing by likelihood needs a decoder: this model has no decoder; set",
    ):
        _task().check_model(model_config(text=text_config(num_decoder_layers=0)))
