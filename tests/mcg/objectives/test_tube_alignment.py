"""Tube alignment against plain loops; padded words change nothing."""

from __future__ import annotations

import torch

from mcg.objectives.config import TubeAlignmentConfig
from mcg.objectives.states import States
from mcg.objectives.tube_alignment import TubeAlignment
from tests.mcg.small_t2vlp import make_inputs, make_t2vlp


def test_the_loss_is_between_what_centres_find_in_words_and_their_tubes() -> None:
    model, inputs = make_t2vlp(), make_inputs()
    found = TubeAlignment(TubeAlignmentConfig())(States(model, inputs, False))
    parts, total, count = model.encode_video(inputs["frames"]).parts, 0.0, 0
    assert parts is not None
    for b in range(4):
        num_words = int(inputs["text_mask"][b].sum())
        ids = inputs["text_ids"][b : b + 1, :num_words]
        words = model.encode_text(ids, torch.ones_like(ids).bool()).states_BLD[0]
        for k in range(3):
            share = torch.stack([parts["centres_BKE"][b, k] @ word for word in words]).softmax(0)
            centre = sum(part * word for part, word in zip(share, words, strict=True))
            total += float((centre - parts["tubes_BKE"][b, k]).square().sum())
            count += len(words[0])
    torch.testing.assert_close(float(found), total / count, rtol=1e-5, atol=1e-6)
