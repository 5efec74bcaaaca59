"""Alignment of tubes with words (T2VLP; docs/facts/t2vlp.md 2): a centre finds in a clip what it finds in the text.

Each centre attends over the words of the text by plain dot products, in the space that both share; the loss is the mean
squared error between what it finds there and its tube, neither of unit length.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import TubeAlignmentConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States


class TubeAlignment(Objective):
    """Scalar, mean over samples, centres and channels. Reads tubes_BKE and centres_BKE of the video's parts."""

    config: TubeAlignmentConfig

    def forward(self, states: States) -> Tensor:
        parts, text = states.video.parts, states.text
        assert parts is not None, "the model provides tubes"
        logits_BKL = parts["centres_BKE"] @ text.states_BLD.transpose(1, 2)
        share_BKL = logits_BKL.masked_fill(~text.mask_BL[:, None], float("-inf")).softmax(-1)
        return functional.mse_loss((share_BKL @ text.states_BLD).float(), parts["tubes_BKE"].float())
