"""The states that objectives read: each is computed once per batch, when the first objective asks for it.

Objectives of one batch share the expensive passes (video, text, fusion) through this object, and a pass that no
objective needs is never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from torch import Tensor

from mcg.model.bert import TextStates
from mcg.model.mcg import MCG
from mcg.model.timesformer import VideoStates


class States:
    """Lazy states of one batch. `inputs` holds frames (B, T, H, W, 3) and the arrays of the task, as tensors."""

    def __init__(self, model: MCG, inputs: Mapping[str, Tensor], with_attention: bool, seed: int = 0) -> None:
        self.model = model
        self.inputs = inputs
        self.seed = seed
        """Of what an objective draws: the batch's own, and the same on all ranks. A draw is addressed by it, the
        objective's name and the sample's number in the global batch (shards/order/random_numbers.py), not by the
        rank."""
        self._with_attention = with_attention

    def __getitem__(self, name: str) -> Tensor:
        """An input array. Raises ValueError naming what the task gives."""
        try:
            return self.inputs[name]
        except KeyError:
            raise ValueError(
                f"an objective needs the array {name!r}, the task gives {sorted(self.inputs)}; use an objective that "
                "fits the task"
            ) from None

    @cached_property
    def video(self) -> VideoStates:
        return self.model.encode_video(self["frames"], self._with_attention)

    @cached_property
    def text(self) -> TextStates:
        """Text pass over `text_ids`."""
        return self.model.encode_text(self["text_ids"], self["text_mask"].bool(), self._with_attention)

    @cached_property
    def contrastive_text(self) -> TextStates:
        """The text pass that both contrasts read: `text`, unless the model makes another one for them."""
        if not self.model.contrast_without_order:
            return self.text
        mask = self["text_mask"].bool()
        return self.model.encode_text(self["text_ids"], mask, self._with_attention, contrastive=True)

    @cached_property
    def video_features(self) -> Tensor:
        """Unit vectors (B, E) of the videos in the contrastive space."""
        return self.model.project_video(self.video.tokens_BVD[:, 0])

    @cached_property
    def text_features(self) -> Tensor:
        """Unit vectors (B, E) of the texts in the contrastive space."""
        return self.model.project_text(self.contrastive_text.states_BLD[:, 0])

    @cached_property
    def fused(self) -> TextStates:
        """Fusion of text and video."""
        return self.model.fuse(self.text, self.video)

    @cached_property
    def answer_memory(self) -> TextStates:
        """What the decoder answers from: the fused prompt where the task gives one (a caption must not be in view of
        the decoder that writes it), else the fused text."""
        if "prompt_ids" not in self.inputs:
            return self.fused
        prompt = self.model.encode_text(self["prompt_ids"], self["prompt_mask"].bool())
        return self.model.fuse(prompt, self.video)

    @cached_property
    def masked_fused(self) -> TextStates:
        """Fusion of the masked text and video."""
        masked = self.model.encode_text(self["masked_ids"], self["text_mask"].bool())
        return self.model.fuse(masked, self.video)
