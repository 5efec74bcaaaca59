"""The prompter: a frozen model that says which entities a region of a clip shows (ALPRO section 3.3; facts 2.3).

It was trained on the contrast of videos and texts before (docs/facts/mcg_alpro.md 2.3), and knows an entity by the mean
of the features of several prompts with its name, not normalised again. It is no part of the model that it teaches: it
has no place in the optimiser, in the partitions of ZeRO, or in checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mcg import distributed
from mcg.model.model import Model
from mcg.text.texts import Texts

_ARTICLES = ("a", "the", "one")
VIDEO_TEMPLATES = tuple(
    f"{start} {article} {{}}."
    for start in ("A footage of", "A video of", "A portrait of", "A video footage of")
    for article in _ARTICLES
)
"""Prompts for videos, as released."""
IMAGE_TEMPLATES = tuple(
    f"{start} {article} {{}}."
    for start in ("A photo of", "A picture of", "A good photo of", "A good picture of")
    for article in _ARTICLES
)
"""Prompts for pictures, as released."""
PROMPT_TOKENS = 15
"""Longest prompt, special tokens included."""
_AT_ONCE = 256


class Prompter:
    """A frozen model with the features of its prompts."""

    def __init__(self, model: Model, video_KE: Tensor, image_KE: Tensor) -> None:
        """video_KE, image_KE: of the K entities, from `prompt_features` with either templates."""
        self.model = model.eval().requires_grad_(False)
        self.video_KE, self.image_KE = video_KE, image_KE

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the weights; features stay in fp32."""
        self.model.to(device, dtype)
        self.video_KE, self.image_KE = self.video_KE.to(device), self.image_KE.to(device)

    @torch.no_grad()
    def label(self, frames_BTHWC: Tensor, is_image_B: Tensor) -> Tensor:
        """Probabilities (B, K) of the entities, fp32. frames_BTHWC: uint8, black outside of the region."""
        return self.probabilities(self.model.video_features(self.model.encode_video(frames_BTHWC)), is_image_B)

    @torch.no_grad()
    def probabilities(self, features_BE: Tensor, is_image_B: Tensor) -> Tensor:
        """The same, from the features of what is shown."""
        features_BE = features_BE.float()
        similarity = torch.where(is_image_B[:, None], features_BE @ self.image_KE.T, features_BE @ self.video_KE.T)
        return (similarity / self.model.temperature.float()).softmax(-1)


@torch.no_grad()
def prompt_features(
    model: Model, texts: Texts, entities: Sequence[str], templates: Sequence[str], device: torch.device
) -> Tensor:
    """Features (K, E) of entities, fp32 on the CPU: the mean over the templates of the text features, not normalised
    again. The entities are split over the ranks. Raises ValueError for a prompt longer than PROMPT_TOKENS."""
    check_prompts(texts, entities, templates)
    rank, world = distributed.rank(), distributed.world_size()
    own = entities[len(entities) * rank // world : len(entities) * (rank + 1) // world]
    prompts = [template.format(entity) for entity in own for template in templates]
    found = []
    for begin in range(0, len(prompts), _AT_ONCE):
        coded = [texts.pair(prompt, PROMPT_TOKENS) for prompt in prompts[begin : begin + _AT_ONCE]]
        ids, mask = (
            nn.utils.rnn.pad_sequence([torch.from_numpy(one[name]) for one in coded], batch_first=True).to(device)
            for name in ("text_ids", "text_mask")
        )
        found.append(model.text_features(model.encode_text(ids, mask.bool(), contrastive=True)).float())
    width = distributed.largest(found[0].shape[1] if found else 0, device)
    local = torch.cat(found) if found else torch.zeros(0, width, device=device)
    means = local.view(len(own), len(templates), width).mean(1)
    return distributed.gather_rows(means).cpu()


def check_prompts(texts: Texts, entities: Sequence[str], templates: Sequence[str]) -> None:
    """Raise ValueError naming the first entity of which a prompt is longer than PROMPT_TOKENS."""
    for number, entity in enumerate(entities, start=1):
        for template in templates:
            length = texts.num_pieces(template.format(entity)) + texts.num_added
            if length > PROMPT_TOKENS:
                raise ValueError(
                    f"entity {number}, {entity!r}: the prompt {template.format(entity)!r} has {length} tokens, at most "
                    f"{PROMPT_TOKENS} are taken; give a shorter name, or leave it out"
                )
