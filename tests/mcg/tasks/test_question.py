"""What question tasks share: clips that are encoded once, and fields of records."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mcg.tasks.question import asked_types, fuse_questions, question_meta, same_clips
from shards import Origin, SampleError
from tests.mcg.small_model import make_inputs, make_model
from tests.mcg.tasks.small_sample import sample


def _origins(keys: str) -> list[Origin]:
    return [Origin("d", "s.tar", key) for key in keys]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1)), min_size=1, max_size=8))
def test_a_clip_is_shared_by_equal_frames_of_one_origin_only(slots: list[tuple[str, int]]) -> None:
    frames = torch.tensor([shade for _, shade in slots], dtype=torch.uint8).view(-1, 1, 1, 1, 1).expand(-1, 2, 3, 3, 3)
    owner = same_clips(_origins("".join(key for key, _ in slots)), frames)
    for slot, other in enumerate(owner):
        assert other <= slot and slots[other] == slots[slot] and owner[other] == other
    first = {}
    for slot, (key, _) in enumerate(slots):
        if slots[first.setdefault(key, slot)] == slots[slot]:
            assert owner[slot] == first[key]


def test_questions_about_one_clip_encode_it_once_and_fuse_as_if_alone() -> None:
    model, inputs = make_model().eval(), make_inputs(4)
    inputs["frames"][2] = inputs["frames"][0]
    inputs["frames"][3] = inputs["frames"][0]
    seen: list[int] = []
    encode = model.encode_video
    model.encode_video = lambda frames: seen.append(len(frames)) or encode(frames)  # type: ignore[assignment,func-returns-value]
    with torch.inference_mode():
        shared = fuse_questions(model, _origins("abaa"), inputs).text_BLD
        alone = fuse_questions(model, _origins("abcd"), inputs).text_BLD
    assert seen == [2, 4]
    torch.testing.assert_close(shared, alone, rtol=1e-5, atol=1e-5)


def test_further_answers_are_kept_and_must_be_texts() -> None:
    record: dict[str, Any] = {"question": "where", "answer": "home", "answers": ["home", " house "]}
    assert question_meta(sample(record), ("question", "answer"))["answers"] == ["home", "house"]
    for wrong in ("home", [1], [""]):
        with pytest.raises(SampleError, match=r"clip-7: record 4: answers must be a list of texts, found"):
            question_meta(sample(record | {"answers": wrong}, index=4), ("question",))


def test_types_of_all_questions_the_failed_last() -> None:
    assert asked_types([{"type": "a"}], [{"type": "b"}, {"origin": "o"}]) == ["a", "b", "failed"]
