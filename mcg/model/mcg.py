"""MCG: a visual encoder, one BERT that encodes text and fuses it with video, and a generating decoder.

Follows the released code (docs/facts/mcg_alpro.md 3) in any size, and with other settings ALPRO's (configs/alpro):
layers for fusion alone, no decoder, heads for matching and entities or a classifier. The first token of video, text and
fused text is its summary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mcg.model.compiling import compile_blocks
from mcg.model.mcg_config import MCGConfig
from mcg.model.model import Model
from mcg.model.parts.bert import Decoder, Memory, TextEncoder
from mcg.model.parts.timesformer import TimeSformer
from mcg.model.states import Fused, Generated, GenerationPlan, TextStates, VideoStates

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's pixel statistics, which ALPRO and MCG use (docs/facts/mcg_alpro.md 1)."""


class MCG(Model):
    """MCG or ALPRO, as the config says. vocab_size counts [DEC] and [ENC] too."""

    config: MCGConfig

    def __init__(self, config: MCGConfig, vocab_size: int) -> None:
        super().__init__(config)
        self.released = config.compat == "released"
        """True where bugs of the release are kept: in checkpoint_activations, encode_text and the decoder's verbs."""
        # Bug M2 reads the texts of the contrasts without their order. A split stack is ALPRO's, which has no such bug.
        self.contrastive_text_differs = self.released and config.text.num_fusion_layers is None
        self.vision = TimeSformer(config.vision)
        self.text = TextEncoder(config.text, vocab_size)
        self.decoder: Decoder | None = Decoder(config.text, vocab_size) if config.text.num_decoder_layers else None
        self.vision_proj = nn.Linear(config.vision.width, config.contrastive_width)
        self.text_proj = nn.Linear(config.text.width, config.contrastive_width)
        D = config.text.width
        self.itm_head = nn.Linear(D, 2) if config.matching_head else None
        self.entity_head = None
        if config.num_entities is not None:
            self.entity_head = nn.Sequential(nn.Linear(D, 2 * D), nn.ReLU(), nn.Linear(2 * D, config.num_entities))
        self.classifier = None
        if config.num_classes is not None:
            self.classifier = nn.Sequential(nn.Linear(D, 2 * D), nn.ReLU(), nn.Linear(2 * D, config.num_classes))
        # one element instead of a scalar, which DeepSpeed cannot broadcast
        self.temp = nn.Parameter(torch.tensor([config.temperature]))
        self._normalise_by(PIXEL_MEAN, PIXEL_STD)

    def checkpoint_activations(self, on: bool) -> None:
        """As released, the attention and MLP matrices of all visual blocks are then not trained (bug A9)."""
        if self.released:
            for block in self.vision.blocks:
                for part in (block.attn, block.temporal_attn, block.mlp):
                    part.requires_grad_(not on)
        self.vision.activation_checkpointing = on
        self.text.activation_checkpointing = on
        if self.decoder is not None:
            self.decoder.checkpoint_activations(on)

    def compile_blocks(self) -> None:
        compile_blocks(self.vision.blocks, lengths_vary=False)
        compile_blocks(self.text.layers, lengths_vary=True)
        if self.decoder is not None:
            compile_blocks(self.decoder.layers, lengths_vary=True)

    @property
    def temperature(self) -> Tensor:
        """The learned divisor, kept within [0.001, 0.5]. Gradient passes the bounds, or a value that a step took over
        one of them would stay there for good."""
        return (self.temp + (self.temp.clamp(0.001, 0.5) - self.temp).detach())[0]

    def encode_video(
        self, frames_BTHWC: Tensor, mask_BT: Tensor | None = None, with_attention: bool = False
    ) -> VideoStates:
        """T is num_frames of the visual encoder, or C times as many: C clips one after the other, each encoded by
        itself, whose states are averaged token by token."""
        return self.vision(self._normalised(frames_BTHWC, mask_BT).to(self.vision_proj.weight.dtype), with_attention)

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, contrastive: bool = False, with_attention: bool = False
    ) -> TextStates:
        positions = not (contrastive and self.contrastive_text_differs)
        return self.text(ids_BL, mask_BL, with_attention, positions=positions)

    def video_features(self, video: VideoStates) -> Tensor:
        return functional.normalize(self.vision_proj(video.tokens_BVD[:, 0]), dim=-1)

    def text_features(self, text: TextStates) -> Tensor:
        return functional.normalize(self.text_proj(text.states_BLD[:, 0]), dim=-1)

    def patch_features(self, video: VideoStates) -> Tensor:
        return functional.normalize(self.vision_proj(video.tokens_BVD[:, 1:]), dim=-1)

    def word_features(self, states_BWD: Tensor) -> Tensor:
        return functional.normalize(self.text_proj(states_BWD), dim=-1)

    def fuse(self, text: TextStates, video: VideoStates, causal: bool = False) -> Fused:
        if causal:
            raise self.without("causal fusion")
        return self.text.fuse(text, video)

    def token_logits(self, states_ND: Tensor) -> Tensor:
        if self.text.predictions is None:
            raise self.without("token_logits")
        return self.text.predictions(states_ND)

    def match_logits(self, fused: Fused) -> Tensor:
        if self.itm_head is None:
            raise self.without("match_logits")
        return self.itm_head(fused.text_BLD[:, 0])

    def entity_logits(self, states_ND: Tensor) -> Tensor:
        if self.entity_head is None:
            raise self.without("entity_logits")
        return self.entity_head(states_ND)

    def classify(self, fused: Fused, head: str = "answers") -> Tensor:
        if self.classifier is None:
            raise self.without("classify")
        return self.classifier(fused.text_BLD[:, 0])

    def decode(self, ids_BA: Tensor, mask_BA: Tensor, memory: Fused) -> Tensor:
        return self._decoder()(ids_BA, mask_BA, self._memory(memory))

    def answer_logits(self, states_ND: Tensor) -> Tensor:
        return self._decoder().token_logits(states_ND)

    def generate(self, memory: Fused, plan: GenerationPlan) -> Generated:
        return self._decoder().generate(self._memory(memory), plan)

    def caption(self, prompt: TextStates, video: VideoStates, plan: GenerationPlan) -> Generated:
        return self.generate(self.fuse(prompt, video), plan)

    def _memory(self, fused: Fused) -> Memory:
        """The sequence that the decoder attends to: the fused text, and the video that was fused into one sequence with
        it. As released, also the padding of questions (bug M8)."""
        states_BFD, mask_BF = fused.text_BLD, fused.text_mask_BL
        if self.config.text.fusion == "concatenation":
            states_BFD = torch.cat([states_BFD, fused.video_BVD], 1)
            mask_BF = torch.cat([mask_BF, fused.video_mask_BV], 1)
        return Memory(states_BFD, torch.ones_like(mask_BF) if self.released else mask_BF)

    def _decoder(self) -> Decoder:
        if self.decoder is None:
            raise self.without("decode")
        return self.decoder
