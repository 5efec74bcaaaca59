"""Classification: the right one of a list of answers, from the fused [CLS] (ALPRO; docs/facts/mcg_alpro.md 2.5)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import ClassificationConfig
from mcg.objectives.states import States


class Classification:
    """Scalar, mean over the samples of this rank. The task gives `label`, int64 (B, L), whose first column holds places
    in the list; a sample with the label -100, whose answer is not in the list, adds nothing to the sum."""

    needs_attention = False

    def __init__(self, config: ClassificationConfig) -> None:
        self.config = config

    def __call__(self, states: States) -> Tensor:
        logits_BK = states.model.classify(states.fused).float()
        label_B = states["label"][:, 0]  # the loader pads whatever a task gives to (B, L)
        smoothing = self.config.label_smoothing
        return functional.cross_entropy(logits_BK, label_B, label_smoothing=smoothing, reduction="sum") / len(label_B)
