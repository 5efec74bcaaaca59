"""Generation: the decoder writes the answer (or caption) from fused prompt and clip (LM; docs/facts/mcg_alpro.md 3.4).

Teacher forcing with label smoothing; summed over an answer's tokens, mean over the samples, as released.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from mcg.model.states import Fused
from mcg.objectives.config import GenerationConfig
from mcg.objectives.objective import Objective
from mcg.objectives.states import States


class Generation(Objective):
    """Scalar, mean over the samples of this rank of the sum over their tokens."""

    config: GenerationConfig

    def forward(self, states: States) -> Tensor:
        ids_BA, mask_BA = states["answer_ids"], states["answer_mask"].bool()
        answer_states = states.model.decode(ids_BA[:, :-1], mask_BA[:, :-1], _memory(states))
        real_BA = mask_BA[:, 1:]  # the vocabulary is wide: padding must not pay for it
        total = functional.cross_entropy(
            states.model.answer_logits(answer_states[real_BA]).float(),
            ids_BA[:, 1:][real_BA],
            label_smoothing=self.config.label_smoothing,
            reduction="sum",
        )
        return total / len(ids_BA)


def _memory(states: States) -> Fused:
    """The states that the decoder attends to: the fused prompt where the task gives one (the decoder must not see the
    caption that it writes), else the fused text."""
    if "prompt_ids" not in states.inputs:
        return states.fused

    def make() -> Fused:
        prompt = states.model.encode_text(states["prompt_ids"], states["prompt_mask"].bool())
        return states.model.fuse(prompt, states.video)

    return states.once("prompt_fused", make)
