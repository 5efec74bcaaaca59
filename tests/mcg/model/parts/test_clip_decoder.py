"""Captions over kept keys are those of running everything anew, greedy and with beams."""

from __future__ import annotations

import pytest
import torch

from mcg.model.parts.beam_search import beam_search
from mcg.model.states import GenerationPlan, TextStates, VideoStates
from mcg.model.t2vlp import T2vlp
from tests.mcg.small_t2vlp import TEXTS, frames, make_t2vlp

START, END = TEXTS.start_id, TEXTS.end_id


class _Anew:
    """Sentences whose next words are found by a pass over all of each."""

    def __init__(self, model: T2vlp, video: VideoStates) -> None:
        self._model, self._video = model, video
        self._ids: torch.Tensor | None = None

    def add(self, word_RW: torch.Tensor, parent_RW: torch.Tensor) -> torch.Tensor:
        word_RW1 = word_RW[..., None]
        if self._ids is None:
            self._ids = word_RW1
        else:
            before = self._ids.gather(1, parent_RW[..., None].expand(-1, -1, self._ids.shape[2]))
            self._ids = torch.cat([before, word_RW1], 2)
        R, W, _ = self._ids.shape
        ids = self._ids.flatten(0, 1)
        text = self._model.encode_text(ids, torch.ones_like(ids).bool())
        video = self._video.rows(torch.arange(R).repeat_interleave(W))
        fused = self._model.fuse(text, video, causal=True)
        return self._model.token_logits(fused.text_BLD[:, -1]).view(R, W, -1)

    def keep(self, row_N: torch.Tensor) -> None:
        assert self._ids is not None
        self._ids, self._video = self._ids[row_N], self._video.rows(row_N)


def _nothing(model: T2vlp, count: int) -> TextStates:
    none = torch.zeros(count, 0, dtype=torch.int64)
    return model.encode_text(none, none.bool())


@torch.no_grad()
@pytest.mark.parametrize("num_beams", [1, 3])
def test_captions_are_those_of_passes_over_everything(num_beams: int) -> None:
    model = make_t2vlp()
    model.words.decoder.bias[END] += 14  # so that some captions end early
    mask = torch.tensor([[True] * 3, [True] * 3, [True, True, False], [True] * 3])
    video = model.encode_video(frames(), mask)
    plan = GenerationPlan(START, END, 0, num_beams, max_tokens=9, num_answers=num_beams)
    found = model.caption(_nothing(model, 4), video, plan)
    expected = beam_search(_Anew(model, video), 4, plan, torch.device("cpu"))
    assert torch.equal(found.ids_BA, expected.ids_BA)
    torch.testing.assert_close(found.scores_B, expected.scores_B, atol=1e-5, rtol=0)
    lengths = (found.ids_BA == END).int().argmax(1)
    assert len(set(lengths.tolist())) > 1, "captions of several lengths"


def test_captions_that_are_longer_than_the_places_are_refused_with_the_setting() -> None:
    model = make_t2vlp()
    video = model.encode_video(frames())
    plan = GenerationPlan(START, END, 0, 1, max_tokens=34)
    with pytest.raises(ValueError, match=r"captions of up to 34 tokens, .* set task\.max_caption_tokens to 33 at most"):
        model.caption(_nothing(model, 4), video, plan)
