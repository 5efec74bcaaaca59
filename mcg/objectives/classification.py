"""Classification: the right one of a list of answers or choices, from the fused [CLS] (ALPRO; docs/facts/mcg_alpro.md
2.5)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import ClassificationConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States
from mcg.text.texts import NO_LABEL


class Classification(Objective):
    """Scalar, mean over the samples of this rank. The task gives `label`, int64 (B,), places in the list; a sample
    with NO_LABEL, whose answer is not in the list, adds nothing to the sum."""

    config: ClassificationConfig

    def forward(self, states: States) -> Tensor:
        logits_BK = states.model.classify(states.fused, self.config.head).float()
        label_B, smoothing = states["label"], self.config.label_smoothing
        total = functional.cross_entropy(
            logits_BK, label_B, label_smoothing=smoothing, ignore_index=NO_LABEL, reduction="sum"
        )
        return total / len(label_B)
