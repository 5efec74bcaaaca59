"""LAVENDER: Video Swin and word embeddings, one BERT over both, and one head, for the word at [MASK].

Follows the released code in any size (docs/facts/lavender.md 1). Whether video and text match is the
difference between "true" and "false" at [MASK], in place of a head. With `heads: task` there is a head for each task
beside it, the release's baseline: it reads the first token of the text, [CLS].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mcg.model.compiling import compile_blocks, uncompiled
from mcg.model.lavender_config import LavenderConfig
from mcg.model.model import Model
from mcg.model.parts.beam_search import beam_search
from mcg.model.parts.joint_encoder import JointEncoder
from mcg.model.parts.prefix_decoder import PrefixDecoder
from mcg.model.parts.video_swin import VideoSwin
from mcg.model.states import Fused, Generated, GenerationPlan, TextStates, VideoStates
from mcg.text.masked_words import NUM_TASK_TOKENS, MaskedWords

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)
"""ImageNet's (facts 3)."""


class _FrameTokens(nn.Module):
    """States of patches with a [CLS] for each frame, and where and when they are. A module of its own: under ZeRO 3 a
    weight is gathered when the module that has it is called, and the assembly never is."""

    def __init__(self, config: LavenderConfig) -> None:
        super().__init__()
        D, std = config.text.width, config.text.init_std
        position_std = std if config.position_std is None else config.position_std
        self.cls_token = nn.Parameter(torch.randn(1, 1, 1, D) * std)
        self.patch_embed = nn.Parameter(torch.randn(1, 1, 1 + config.max_patches, D) * position_std)
        self.frame_embed = nn.Parameter(torch.randn(1, config.max_frames, 1, D) * position_std)
        self.norm = nn.LayerNorm(D)

    def forward(self, states_BTPD: Tensor) -> Tensor:
        """(B, T, 1 + P, D)."""
        B, T, P, _ = states_BTPD.shape
        states = torch.cat([self.cls_token.expand(B, T, 1, -1), states_BTPD], 2)
        return self.norm(states + self.patch_embed[:, :, : 1 + P] + self.frame_embed[:, :T])


class Lavender(Model):
    """See the module."""

    config: LavenderConfig

    def __init__(self, config: LavenderConfig, texts: MaskedWords) -> None:
        super().__init__(config)
        self._texts = texts
        D, std = config.text.width, config.text.init_std
        self.vision = VideoSwin(config.vision, config.compat)
        self.vision_proj = nn.Linear(config.vision.widths[-1], D)
        self.frames = _FrameTokens(config)
        self.text = JointEncoder(config.text, texts.size)
        self.task_embed = nn.Embedding(NUM_TASK_TOKENS, D, _weight=torch.randn(NUM_TASK_TOKENS, D) * std)
        by_task = config.heads == "task"
        self.match_head = self._head(1) if by_task else None
        self.classifiers = nn.ModuleDict({name: self._head(n) for name, n in config.num_classes.items() if by_task})
        self._normalise_by(PIXEL_MEAN, PIXEL_STD)

    def _head(self, num_outputs: int) -> nn.Sequential:
        D = self.config.text.width
        return nn.Sequential(
            nn.Dropout(self.config.text.dropout), nn.Linear(D, 2 * D), nn.ReLU(), nn.Linear(2 * D, num_outputs)
        )

    def checkpoint_activations(self, on: bool) -> None:
        self.vision.activation_checkpointing = on
        self.text.activation_checkpointing = on

    def compile_blocks(self) -> None:
        compile_blocks(self.vision.blocks, lengths_vary=False)
        compile_blocks(self.text.layers, lengths_vary=True)

    def encode_video(
        self, frames_BTHWC: Tensor, mask_BT: Tensor | None = None, with_attention: bool = False
    ) -> VideoStates:
        """Per frame a [CLS] and the patches, (B, T (1 + P), D)."""
        return self.encode_pixels(self._normalised(frames_BTHWC, mask_BT).to(self.vision_proj.weight.dtype))

    def encode_pixels(self, pixels_BTCHW: Tensor) -> VideoStates:
        """The same of normalised floats."""
        states = self.frames(self.vision_proj(self.vision(pixels_BTCHW)))
        tokens_BVD = states.flatten(1, 2)
        return VideoStates(tokens_BVD, torch.ones(tokens_BVD.shape[:2], dtype=torch.bool, device=states.device))

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, with_attention: bool = False
    ) -> TextStates:
        """Embeddings of the words; no word has seen another."""
        prefix_B = self._prefix(ids_BL)
        place_BL = torch.arange(ids_BL.shape[1], device=ids_BL.device).expand_as(ids_BL)
        in_text_BL = place_BL >= prefix_B[:, None]
        task_BL = ids_BL - self._texts.size
        states_BLD = self.text.embed(
            ids_BL.masked_fill(task_BL >= 0, self._texts.pad_id), place_BL - prefix_B[:, None] * in_text_BL
        )
        states_BLD = torch.where(task_BL[..., None] >= 0, self.task_embed(task_BL.clamp(min=0)), states_BLD)
        return TextStates(states_BLD, mask_BL, None, self._slot(ids_BL, mask_BL, prefix_B), prefix_B)

    def _prefix(self, ids_BL: Tensor) -> Tensor:
        """Tokens (B,) before the text proper."""
        if self.config.prefix == "instruction":
            return (ids_BL == self._texts.end_id).int().argmax(1) + 1
        return ids_BL.new_full((len(ids_BL),), int(self.config.prefix == "task_token"))

    def _slot(self, ids_BL: Tensor, mask_BL: Tensor, prefix_B: Tensor) -> Tensor:
        """Place (B,) of the [MASK] that is read: the one of matching where the layout puts it, which comes last but for
        `mask_at`; of a text without [MASK] its last token."""
        is_mask_BL = (ids_BL == self._texts.mask_id) & mask_BL
        place_L = torch.arange(ids_BL.shape[1], device=ids_BL.device)
        if not ids_BL.shape[1]:  # the prompt of captions, where there is no prefix
            return torch.zeros_like(mask_BL.sum(1))
        last_B = (torch.where(is_mask_BL.any(1)[:, None], is_mask_BL, mask_BL) * place_L).amax(1)
        if self.config.mask_at == "end":
            return last_B
        if self.config.mask_at != "tenth":
            return torch.where(is_mask_BL.any(1), is_mask_BL.int().argmax(1), last_B)
        tenth_B = (prefix_B + 10).clamp(max=len(place_L) - 1)
        return torch.where(is_mask_BL.gather(1, tenth_B[:, None])[:, 0], tenth_B, last_B)

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        """Self-attention over [video ; text]. causal: the video and the prefix see no text."""
        V, L = video.mask_BV.shape[1], text.mask_BL.shape[1]
        seen_BF = torch.cat([video.mask_BV, text.mask_BL], 1)
        seen = seen_BF[:, None]
        if causal:
            assert text.prefix_B is not None
            place_F = torch.arange(V + L, device=seen_BF.device)
            first_B = V + text.prefix_B  # of the text proper
            is_text_BF = place_F >= first_B[:, None]
            later_FF = place_F[None, :] > place_F[:, None]
            seen = seen & ~(is_text_BF[:, None, :] & (~is_text_BF[:, :, None] | later_FF))
        states_BFD = self.text(torch.cat([video.tokens_BVD, text.states_BLD], 1), seen)
        return Fused(states_BFD[:, V:], text.mask_BL, states_BFD[:, :V], video.mask_BV, text.slot_B)

    @torch.no_grad()
    def caption(self, prompt: TextStates, video: VideoStates, plan: GenerationPlan) -> Generated:
        """Each word is read at a [MASK] behind those before it. As released, [SEP] stands in place of the last word of
        a caption that has no end."""
        prefix_BPD = torch.cat([video.tokens_BVD, prompt.states_BLD], 1)
        mask_BP = torch.cat([video.mask_BV, prompt.mask_BL], 1)
        # by ZeRO 3, under which all ranks must call the layers equally often
        partitioned = hasattr(next(self.parameters()), "ds_id")
        with uncompiled():  # a layer would be compiled anew for caches of each kind
            sentences = PrefixDecoder(self.text, prefix_BPD, mask_BP, plan, self._texts.mask_id)
            found = beam_search(sentences, len(prefix_BPD), plan, prefix_BPD.device, every_step=partitioned)
        if self.config.compat == "released":
            found.ids_BA[~(found.ids_BA == plan.end_id).any(1), -1] = plan.end_id
        return found

    def token_logits(self, states_ND: Tensor) -> Tensor:
        return self.text.predictions(states_ND)

    def match_words(self, fused: Fused) -> tuple[Tensor, int, int]:
        if self.match_head is not None:
            score_B1 = self.match_head(fused.text_BLD[:, 0])
            return torch.cat([torch.zeros_like(score_B1), score_B1], 1), 0, 1
        return self.token_logits(fused.at_slot()), self._texts.false_id, self._texts.true_id

    def match_logits(self, fused: Fused) -> Tensor:
        """The words "false" and "true" at [MASK]; of a head 0 and its score."""
        logits_BK, no, yes = self.match_words(fused)
        return logits_BK[:, [no, yes]]

    def classify(self, fused: Fused, head: str = "answers") -> Tensor:
        if head not in self.classifiers:
            known = ", ".join(self.classifiers) or "none"
            raise ValueError(f"this model has no classifier {head}; it has {known} (model.heads, model.num_classes)")
        return self.classifiers[head](fused.text_BLD[:, 0])
