"""T2VLP: CLIP's two towers, tubes that follow what is seen through time, and a fusion encoder over all of them.

Follows the published model in any size (docs/facts/t2vlp.md 1). Nothing before the fusion knows the order of the
frames. Each part may be absent: without tubes and fusion this is CLIP, a video being the mean of its frames.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mcg.model.compiling import compile_blocks, uncompiled
from mcg.model.model import Model
from mcg.model.parts.beam_search import beam_search
from mcg.model.parts.clip import ClipBlocks, ClipText, ClipVision, last_word, mean_of_frames, plain_mean
from mcg.model.parts.clip_decoder import towers_decoder
from mcg.model.parts.clip_fusion import ClipFusion, MatchHead, WordHead
from mcg.model.parts.tubes import Tubes
from mcg.model.states import Fused, Generated, GenerationPlan, TextStates, VideoStates
from mcg.model.t2vlp_config import T2vlpConfig
from mcg.text.byte_pair_texts import BytePairTexts

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's."""
_LARGEST_SCALE = 100.0
_FIRST_SCALE = 1 / 0.07


class T2vlp(Model):
    """See the module."""

    config: T2vlpConfig

    def __init__(self, config: T2vlpConfig, texts: BytePairTexts) -> None:
        super().__init__(config)
        self._empty_id, self._pad_id = texts.empty_id, texts.pad_id
        self.vision = ClipVision(config.vision)
        self.text = ClipText(config.text, texts.size)
        self.logit_scale = nn.Parameter(torch.tensor([math.log(_FIRST_SCALE)]))  # DeepSpeed refuses scalars in bf16
        self.tubes = None if config.tubes is None else Tubes(config.tubes, config.vision)
        self._num_tubes = 0 if config.tubes is None else config.tubes.num_centres
        self.fusion: ClipFusion | None = None
        if config.fusion is not None:
            self.fusion = ClipFusion(config.fusion)
            self.words = WordHead(config.fusion, self.text.embeddings.token_embedding)
            self.matches_over_batch = config.match_norm == "batch"
            self.match = MatchHead(config.fusion, self.matches_over_batch)
        self._normalise_by(PIXEL_MEAN, PIXEL_STD)

    def _blocks(self) -> dict[str, ClipBlocks]:
        """Stacks of blocks by name."""
        parts = {"vision": self.vision, "text": self.text, "tubes": self.tubes, "fusion": self.fusion}
        return {name: part.blocks for name, part in parts.items() if part is not None}

    def checkpoint_activations(self, on: bool) -> None:
        for blocks in self._blocks().values():
            blocks.activation_checkpointing = on

    def compile_blocks(self) -> None:
        for name, blocks in self._blocks().items():
            compile_blocks(blocks, lengths_vary=name in ("text", "fusion"))

    @property
    def temperature(self) -> Tensor:
        """1 / exp(scale), the scale at most 100. Gradient passes the bound, or a value that a step took over it would
        stay there for good."""
        bounded = self.logit_scale.clamp(max=math.log(_LARGEST_SCALE))
        return torch.exp(-(self.logit_scale + (bounded - self.logit_scale).detach()))[0]

    def encode_video(
        self, frames_BTHWC: Tensor, mask_BT: Tensor | None = None, with_attention: bool = False
    ) -> VideoStates:
        """[mean of the frames ; frames ; tubes] in the space that frames share with texts. `parts`, of a model with
        tubes, are tubes_BKE and centres_BKE, the centres in that space."""
        return self.encode_pixels(self._normalised(frames_BTHWC, None).to(self.vision.head.proj.weight.dtype), mask_BT)

    def encode_pixels(self, pixels_BTCHW: Tensor, mask_BT: Tensor | None = None) -> VideoStates:
        """The same of normalised floats."""
        attended = mask_BT if self.config.padding == "masked" else None
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.tower_gradient):
            states = self.vision(pixels_BTCHW, attended)
            frames_BTE = self.vision.frames(states)
        if mask_BT is None:
            mask_BT = torch.ones(frames_BTE.shape[:2], dtype=torch.bool, device=frames_BTE.device)
        tokens, masks = [plain_mean(frames_BTE, mask_BT)[:, None], frames_BTE], [mask_BT[:, :1] | True, mask_BT]
        parts = None
        if self.tubes is not None:
            tubes = self.tubes(states.middle_BTVD, attended)
            tokens.append(tubes.tubes_BKE)
            masks.append(torch.ones_like(tubes.tubes_BKE[..., 0], dtype=torch.bool))
            centres_BKE = tubes.centres_KE.expand(len(frames_BTE), -1, -1)
            parts = {"tubes_BKE": tubes.tubes_BKE, "centres_BKE": centres_BKE}
        return VideoStates(torch.cat(tokens, 1), torch.cat(masks, 1), None, parts)

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, with_attention: bool = False
    ) -> TextStates:
        """Words in the space that texts share with frames; an empty token has the state of none, and is read as one of
        id 0 by those behind it, as released."""
        empty_BL = ids_BL == self._empty_id
        if not ids_BL.shape[1]:  # the prompt of captions
            none = self.text.head.proj.weight.new_zeros(len(ids_BL), 0, self.config.text.contrastive_width)
            return TextStates(none, mask_BL, None, mask_BL.sum(1))
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.tower_gradient):
            states_BLE = self.text(ids_BL.masked_fill(empty_BL, self._pad_id))
        states_BLE = states_BLE.masked_fill(empty_BL[..., None], 0)
        place_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
        return TextStates(states_BLE, mask_BL, None, (mask_BL * place_L).amax(1))

    def video_features(self, video: VideoStates) -> Tensor:
        frames = slice(1, video.mask_BV.shape[1] - self._num_tubes)
        return mean_of_frames(video.tokens_BVD[:, frames], video.mask_BV[:, frames])

    def text_features(self, text: TextStates) -> Tensor:
        return functional.normalize(last_word(text.states_BLD, text.mask_BL), dim=-1)

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        """Self-attention over [video ; text]. causal: the video sees no text."""
        if self.fusion is None:
            raise self.without("fuse")
        V, L = video.mask_BV.shape[1], text.mask_BL.shape[1]
        seen = torch.cat([video.mask_BV, text.mask_BL], 1)
        if causal:
            place_F = torch.arange(V + L, device=seen.device)
            hidden_FF = (place_F >= V) & (place_F > place_F[:, None])
            seen = seen[:, None] & ~hidden_FF
        states_BFD = torch.cat([video.tokens_BVD, text.states_BLD], 1)
        if not self.fusion.config.input_gradient:
            states_BFD = states_BFD.detach()
        states_BFD = self.fusion(states_BFD, seen)
        return Fused(states_BFD[:, V:], text.mask_BL, states_BFD[:, :V], video.mask_BV, text.slot_B)

    @torch.no_grad()
    def caption(self, prompt: TextStates, video: VideoStates, plan: GenerationPlan) -> Generated:
        """Each word is read at the one before it."""
        if self.fusion is None:
            raise self.without("caption")
        # by ZeRO 3, under which all ranks must call the layers equally often
        partitioned = hasattr(next(self.parameters()), "ds_id")
        with uncompiled():  # a block would be compiled anew for caches of each kind
            sentences = towers_decoder(self.text, self.fusion, self.words, video.tokens_BVD, video.mask_BV, plan)
            device = video.tokens_BVD.device
            return beam_search(sentences, len(video.mask_BV), plan, device, every_step=partitioned)

    def token_logits(self, states_ND: Tensor) -> Tensor:
        if self.fusion is None:
            raise self.without("token_logits")
        return self.words(states_ND)

    def match_logits(self, fused: Fused) -> Tensor:
        if self.fusion is None:
            raise self.without("match_logits")
        return self.match(fused.video_BVD[:, 0], fused.at_slot())
