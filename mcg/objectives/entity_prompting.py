"""Entity prompting (PEM; ALPRO section 3.3, docs/facts/mcg_alpro.md 2.2 and 2.3).

A frozen prompter sees a region of each clip and says with which probability it shows each entity; from the mean of the
fused patch states inside the region, a head of the model is to say the same:

    L = - 1/n sum_i sum_m q_im log softmax(logits_i)_m,  over the n samples whose best q is at least min_confidence

A batch without such a sample has the loss 0; the share that counts is told as entity_prompting_kept. Released, the
number of the best entity is compared with the confidence instead of its probability (bug A5): all samples count but
those whose best entity is the first of the list.

The region keeps its place, black around it, in all frames. It is drawn by (seed, number of the sample in the global
batch) and cut out on the device from the frames that are there. The prompter is a plain attribute: it has no place in
the optimiser, in the partitions of ZeRO, in the exchange of gradients, or in checkpoints. Its weights and the features
of its prompts are saved once, in RUN/prompter, from where a resumed run reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcg import distributed
from mcg.compat import Compat
from mcg.model.parts.prompter import Prompter
from mcg.objectives.config import EntityPromptingConfig
from mcg.objectives.objective import Objective, Start
from mcg.objectives.prompting.prompter_folder import open_prompter
from mcg.objectives.prompting.regions import draw_boxes, inside
from mcg.objectives.states import States


class EntityPrompting(Objective):
    """See the module."""

    config: EntityPromptingConfig

    def __init__(self, config: EntityPromptingConfig, compat: Compat = "corrected") -> None:
        super().__init__(config, compat)
        self._prompter: list[Prompter] = []  # in a list: it must not be registered as a part of this module

    def prepare(self, start: Start) -> None:
        self.teach_with(open_prompter(self.config, start))

    def teach_with(self, prompter: Prompter) -> None:
        """Take this prompter."""
        self._prompter = [prompter]

    def forward(self, states: States) -> Tensor:
        frames, patches_BPD = states["frames"], states.fused.video_BVD[:, 1:]
        inside_BP = self._regions(states, patches_BPD.shape[:2])
        labels_BK = self._labels(states, frames, inside_BP)
        weight = inside_BP.to(patches_BPD.dtype)
        region_BD = (patches_BPD * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)
        logits_BK = states.model.entity_logits(region_BD).float()
        if logits_BK.shape != labels_BK.shape:
            raise ValueError(
                f"objectives.entity_prompting.num_entities is {labels_BK.shape[1]}, and model.num_entities is "
                f"{logits_BK.shape[1]}; set both to the same"
            )
        best = labels_BK.max(1)
        if self.compat == "released":
            kept_B = best.indices.float() >= self.config.min_confidence
        else:
            kept_B = best.values >= self.config.min_confidence
        states.told["entity_prompting_kept"] = kept_B.float().mean()
        losses_B = -(labels_BK * functional.log_softmax(logits_BK, -1)).sum(-1)
        return (losses_B * kept_B).sum() / kept_B.sum().clamp(min=1)

    def _regions(self, states: States, size: torch.Size) -> Tensor:
        """(B, P) True at the patches of each sample's region."""
        B, P = size
        grid, side = round(P**0.5), int(states["frames"].shape[2])
        numbers = np.arange(B) + B * distributed.rank()
        boxes = draw_boxes(states.seed, numbers, side, side // grid)
        return torch.from_numpy(inside(boxes, grid).reshape(B, P)).to(states["frames"].device)

    def _labels(self, states: States, frames_BTHWC: Tensor, inside_BP: Tensor) -> Tensor:
        """What the prompter says of the regions, (B, K)."""
        if not self._prompter:
            raise ValueError("objectives.entity_prompting has no prompter yet; prepare the objective first")
        prompter = self._prompter[0]
        prompter.to(frames_BTHWC.device, states.video.tokens_BVD.dtype)
        grid, side = round(inside_BP.shape[1] ** 0.5), frames_BTHWC.shape[2]
        canvas = inside_BP.view(-1, grid, grid).repeat_interleave(side // grid, 1).repeat_interleave(side // grid, 2)
        is_image = _is_image(states, len(frames_BTHWC))
        return prompter.label(frames_BTHWC * canvas[:, None, :, :, None], is_image)


def _is_image(states: States, count: int) -> Tensor:
    """(B,) True for pictures; a task that does not say has videos."""
    found: Any = states.inputs.get("is_image")
    device = states["frames"].device
    return torch.zeros(count, dtype=torch.bool, device=device) if found is None else found[:, 0].bool()
