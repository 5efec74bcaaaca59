"""Pre-training examples: captions and their masks, clips with and without chance, recall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mcg.tasks.config import PretrainConfig
from mcg.tasks.pretrain import Pretrain
from mcg.text.wordpiece import WordPieces
from shards import SampleError
from shards.media.clip_config import ClipConfig
from tests.mcg.small_model import TEXTS
from tests.mcg.tasks.small_sample import draws, sample

CODEC = WordPieces()


def _task(**fields: Any) -> Pretrain:
    clip = {"num_frames": 4, "size": 32, "sampling": "random", "fit": "random_crop", "flip": 0.5}
    return Pretrain(PretrainConfig.model_validate({"name": "pretrain", "clip": clip} | fields), TEXTS)


def test_an_example_holds_the_caption_in_every_form() -> None:
    clip = _task().encode(sample({"caption": " two skateboarders jumping "}), draws())
    arrays = clip.arrays
    assert clip.meta == {"caption": "two skateboarders jumping"}
    assert CODEC.decode(arrays["text_ids"]) == CODEC.decode(arrays["answer_ids"]) == "two skateboarders jumping"
    assert arrays["text_ids"][0] == CODEC.cls and arrays["answer_ids"][0] == CODEC.dec
    assert arrays["prompt_ids"].tolist() == [CODEC.enc, CODEC.sep]
    assert arrays["text_words"].tolist() == [0, 1, 2, 2, 2, 3, 4]
    for name in ("text", "prompt", "answer"):
        assert arrays[f"{name}_mask"].all() and len(arrays[f"{name}_mask"]) == len(arrays[f"{name}_ids"])
    assert all(array.dtype == np.int64 and array.ndim == 1 for array in arrays.values())
    assert clip.plan.shape == (4, 32, 32, 3) and clip.media == b"bytes" and clip.kind == "video"


def test_a_long_caption_is_cut() -> None:
    arrays = _task(max_text_tokens=6).encode(sample({"caption": "a " * 50}), draws()).arrays
    assert len(arrays["text_ids"]) == len(arrays["masked_ids"]) == len(arrays["answer_ids"]) == 6
    assert arrays["text_ids"][-1] == CODEC.sep


@pytest.mark.parametrize("record", [{}, {"caption": ""}, {"caption": " \n"}, {"caption": None}, {"text": "a dog"}])
def test_an_empty_caption_names_the_record(record: dict[str, Any]) -> None:
    with pytest.raises(SampleError, match=r"^shapes/000003\.tar:clip-7: record 2: no caption in \["):
        _task().encode(sample(record, index=2), draws())


def test_a_caption_of_which_nothing_is_left_names_the_record() -> None:
    with pytest.raises(SampleError, match=r"clip-7: record 2: no word piece in the caption '\\u200b'"):
        _task().encode(sample({"caption": "\u200b"}, index=2), draws())


def test_an_example_depends_on_its_address_alone() -> None:
    task, record = _task(), sample({"caption": "a man is playing an acoustic guitar on stage"})
    first, again, other = task.encode(record, draws(1)), task.encode(record, draws(1)), task.encode(record, draws(2))
    assert first.plan == again.plan and first.plan != other.plan
    assert first.arrays["masked_ids"].tolist() == again.arrays["masked_ids"].tolist()


def test_evaluation_leaves_out_chance_in_what_the_model_sees() -> None:
    task, record = _task(), sample({"caption": "a dog"})
    plans = {task.encode_for_evaluation(record, draws(seed)).plan for seed in range(8)}
    assert len(plans) == 1
    own = ClipConfig(num_frames=2, size=16)
    assert _task(evaluation_clip=own).encode_for_evaluation(record, draws()).plan.shape == (2, 16, 16, 3)


def test_recall_counts_failures_as_wrong_and_leaves_no_features_behind() -> None:
    predictions = [
        {"caption": f"c{i}", "origin": str(i), "video": row, "text": row} for i, row in enumerate(np.eye(4).tolist())
    ]
    failures = [{"origin": "x", "reason": "torn"}]
    scores = _task().score(predictions, failures)
    assert scores.metrics["text_to_video"] == {"R1": 0.8, "R5": 0.8, "R10": 0.8}
    assert (scores.metrics["num_scored"], scores.metrics["num_failed"]) == (4, 1)
    assert scores.predictions[0] == {"caption": "c0", "origin": "0"} and scores.failures == failures
