"""What question tasks share: clips that are encoded once, and fields of records."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mcg.model.model import Model
from mcg.model.states import Fused, TextStates, VideoStates
from mcg.tasks.question import ask, asked_types, question_meta
from shards import Origin, SampleError
from tests.mcg.small_model import make_inputs, make_model, model_config
from tests.mcg.tasks.small_sample import sample


def _origins(keys: str) -> list[Origin]:
    return [Origin("d", "s.tar", key) for key in keys]


class _Shades(Model):
    """A model whose state of a clip is its brightness; it counts the clips that it encodes."""

    num_encoded = 0

    def encode_video(
        self, frames_BTHWC: Tensor, mask_BT: Tensor | None = None, with_attention: bool = False
    ) -> VideoStates:
        self.num_encoded += len(frames_BTHWC)
        shades = frames_BTHWC.float().mean((1, 2, 3, 4)).view(-1, 1, 1)
        return VideoStates(shades, torch.ones_like(shades[..., 0], dtype=torch.bool))

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, with_attention: bool = False
    ) -> TextStates:
        return TextStates(ids_BL[..., None].float(), mask_BL)

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        return Fused(text.states_BLD, text.mask_BL, video.tokens_BVD, video.mask_BV)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1)), min_size=1, max_size=8))
def test_a_clip_is_shared_by_equal_frames_of_one_origin_only(slots: list[tuple[str, int]]) -> None:
    shades = torch.tensor([shade for _, shade in slots], dtype=torch.uint8)
    frames, ids = shades.view(-1, 1, 1, 1, 1).expand(-1, 2, 3, 3, 3), torch.arange(len(slots))[:, None]
    model = _Shades(model_config())
    inputs = {"frames": frames, "text_ids": ids, "text_mask": torch.ones_like(ids)}
    fused = ask(model, _origins("".join(key for key, _ in slots)), inputs).fused
    assert torch.equal(fused.video_BVD.flatten(), shades.float()) and torch.equal(
        fused.text_BLD.flatten(), ids[:, 0].float()
    )
    first: dict[str, int] = {}
    for key, shade in slots:
        first.setdefault(key, shade)
    others = sum(shade != first[key] for key, shade in slots)  # another plan of a video is a clip of its own
    assert model.num_encoded == len(first) + others


def test_questions_about_one_clip_encode_it_once_and_fuse_as_if_alone() -> None:
    model, inputs = make_model().eval(), make_inputs(4)
    inputs["frames"][2] = inputs["frames"][0]
    inputs["frames"][3] = inputs["frames"][0]
    seen: list[int] = []
    encode = model.encode_video
    model.encode_video = lambda frames: seen.append(len(frames)) or encode(frames)  # type: ignore[assignment,func-returns-value]
    with torch.inference_mode():
        shared = ask(model, _origins("abaa"), inputs).fused.text_BLD
        alone = ask(model, _origins("abcd"), inputs).fused.text_BLD
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
