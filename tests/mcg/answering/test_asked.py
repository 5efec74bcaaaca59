"""Questions are fused with their clips once, and again in another wording."""

from __future__ import annotations

import torch

from mcg.answering.asked import Asked
from tests.mcg.small_model import make_inputs, make_model


def test_another_wording_is_fused_with_the_same_clips() -> None:
    model, inputs = make_model().eval(), make_inputs(3)
    video = model.encode_video(inputs["frames"])
    other = inputs["text_ids"].flip(0), inputs["text_mask"].flip(0)
    asked = Asked(model, video, {**inputs, "text2_ids": other[0], "text2_mask": other[1]})
    assert asked.fused is asked.fused
    expected = model.fuse(model.encode_text(other[0], other[1].bool()), video)
    torch.testing.assert_close(asked.fuse("text2").text_BLD, expected.text_BLD)
    assert not torch.allclose(asked.fused.text_BLD, expected.text_BLD)
