"""The verbs of a model. An assembly, one per system, gives those that its config provides; it computes no loss.

Tasks, objectives and answering use these verbs alone, so that each of them serves every model. A verb that a model
does not have raises ValueError with the setting that adds it (`ModelConfig.provides`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mcg.model.config import ModelConfig
from mcg.model.states import Fused, Generated, GenerationPlan, TextStates, VideoStates


class Model(nn.Module):
    """Base class of the assemblies."""

    contrastive_text_differs = False
    """True where encode_text gives other states with contrastive=True, so that the contrasts need a pass of their
    own."""

    matches_over_batch = False
    """True where match_logits of a pair depend on the others that are scored together with it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def _normalise_by(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Keep the statistics of pixels, a number for each colour, of values from 0 to 1."""
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", torch.tensor(mean).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("pixel_std", torch.tensor(std).view(3, 1, 1) * 255, persistent=False)

    def _normalised(self, frames_BTHWC: Tensor, mask_BT: Tensor | None) -> Tensor:
        """Frames as float32 (B, T, 3, H, W), of a model that takes no features and no mask. Raises ValueError."""
        if frames_BTHWC.ndim == 3:
            raise self.without("encoder of features")
        if mask_BT is not None:
            raise self.without("mask of frames")
        pixels = frames_BTHWC.permute(0, 1, 4, 2, 3).float()
        return (pixels - self.pixel_mean.float()) / self.pixel_std.float()

    def without(self, name: str) -> ValueError:
        """The error of a verb or part that this model does not have."""
        return ValueError(self.config.missing(name) or f"{type(self).__name__} does not implement {name}")

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute activations in the backward pass instead of keeping them, or not."""
        raise self.without("checkpoint_activations")

    def compile_blocks(self) -> None:
        """Compile the repeated layers (mcg/model/compiling.py) when they are first called."""
        raise self.without("compile_blocks")

    def encode_video(
        self, frames_BTHWC: Tensor, mask_BT: Tensor | None = None, with_attention: bool = False
    ) -> VideoStates:
        """States of clips. frames_BTHWC: uint8 RGB as a Batch has them, or features (B, S, F); mask_BT: True at real
        frames, None where all are."""
        raise self.without("encode_video")

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, with_attention: bool = False
    ) -> TextStates:
        """States of texts. ids_BL: int64; mask_BL: bool, True at real tokens. contrastive: for the space that texts
        share with videos, which a model may read differently."""
        raise self.without("encode_text")

    def video_features(self, video: VideoStates) -> Tensor:
        """One vector (B, E) for each video in the contrastive space; logits are v . t / temperature."""
        raise self.without("video_features")

    def text_features(self, text: TextStates) -> Tensor:
        """One vector (B, E) for each text in the contrastive space."""
        raise self.without("text_features")

    def patch_features(self, video: VideoStates) -> Tensor:
        """Unit vectors (B, P, E) of the patches in the contrastive space."""
        raise self.without("patch_features")

    def word_features(self, states_BWD: Tensor) -> Tensor:
        """Unit vectors (B, W, E) of words in the contrastive space, from text states."""
        raise self.without("word_features")

    @property
    def temperature(self) -> Tensor:
        """Divisor of the contrastive logits, a scalar."""
        raise self.without("temperature")

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        """Texts that have seen their videos. causal: a token sees the video and the text before it, the video sees no
        text."""
        raise self.without("fuse")

    def token_logits(self, states_ND: Tensor) -> Tensor:
        """Vocabulary logits (N, K) of fused text states, for masked-language modelling."""
        raise self.without("token_logits")

    def match_logits(self, fused: Fused) -> Tensor:
        """(B, 2): no match, match. Pairs are ranked by the difference."""
        raise self.without("match_logits")

    def match_words(self, fused: Fused) -> tuple[Tensor, int, int]:
        """Logits (B, K) over all that the model may say of a pair, and which of them are no match and match."""
        return self.match_logits(fused), 0, 1

    def entity_logits(self, states_ND: Tensor) -> Tensor:
        """Logits (N, K) over a list of entities, from fused states of a region of the video."""
        raise self.without("entity_logits")

    def classify(self, fused: Fused, head: str = "answers") -> Tensor:
        """Logits (B, C) over a list of answers, by the classifier of this name where the model has several."""
        raise self.without("classify")

    def frame_logits(self, video: VideoStates) -> Tensor:
        """Logits (B, S, C) over a list of classes for every second or window of a video."""
        raise self.without("frame_logits")

    def decode(self, ids_BA: Tensor, mask_BA: Tensor, memory: Fused) -> Tensor:
        """Decoder states (B, A, D) of teacher-forced answers; a state has seen its token, those before it and the
        memory."""
        raise self.without("decode")

    def answer_logits(self, states_ND: Tensor) -> Tensor:
        """Next-token logits (N, K) of decoder states."""
        raise self.without("decode")

    def generate(self, memory: Fused, plan: GenerationPlan) -> Generated:
        """Answers by beam search."""
        raise self.without("generate")

    def caption(self, prompt: TextStates, video: VideoStates, plan: GenerationPlan) -> Generated:
        """Captions by beam search. prompt: the text before them (Texts.prompt), of any length."""
        raise self.without("caption")
