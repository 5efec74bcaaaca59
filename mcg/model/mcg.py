"""MCG: a visual encoder, one BERT that encodes text and fuses it with video, and a generating decoder.

Follows the released code (docs/facts/mcg_alpro.md section 3) in any size. It offers verbs and computes no loss:

    encode_video -> VideoStates     encode_text -> TextStates     fuse -> TextStates of text that has seen the video
    project_video, project_text -> unit vectors of the contrastive space
    decode, answer_logits, generate -> answers; answer_log_likelihood, first_token_log_probs -> how probable they are
    match_logits -> does the text fit the video     classify -> one of a list of answers
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mcg.model.bert import Decoder, Generated, TextEncoder, TextStates
from mcg.model.config import MCGConfig
from mcg.model.timesformer import TimeSformer, VideoStates

PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
"""CLIP's pixel statistics, which ALPRO and MCG use (docs/facts/mcg_alpro.md section 1)."""


class MCG(nn.Module):
    """See the module. vocab_size counts [DEC] and [ENC] too (TextCodec.size)."""

    def __init__(self, config: MCGConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.released = config.compat == "released"
        """Whether slips of the release are kept: in `checkpoint_activations`, `encode_text` and the decoder's verbs."""
        self.contrast_without_order = self.released and config.text.num_fusion_layers is None
        """Whether texts are encoded for the contrasts with every token at place 0: a slip of MCG (M2), whose one stack
        serves text and fusion. A split model is ALPRO's, which has no such slip."""
        self.vision = TimeSformer(config.vision)
        self.text = TextEncoder(config.text, vocab_size)
        self.decoder: Decoder | None = Decoder(config.text, vocab_size) if config.text.num_decoder_layers else None
        self.vision_proj = nn.Linear(config.vision.width, config.contrastive_width)
        self.text_proj = nn.Linear(config.text.width, config.contrastive_width)
        D = config.text.width
        self.itm_head = nn.Linear(D, 2) if config.matching_head else None
        self.classifier = None
        if config.num_classes is not None:
            self.classifier = nn.Sequential(nn.Linear(D, 2 * D), nn.ReLU(), nn.Linear(2 * D, config.num_classes))
        # one element instead of a scalar, which DeepSpeed cannot broadcast
        self.temp = nn.Parameter(torch.tensor([config.temperature]))
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", torch.tensor(PIXEL_MEAN).view(3, 1, 1) * 255, persistent=False)
        self.register_buffer("pixel_std", torch.tensor(PIXEL_STD).view(3, 1, 1) * 255, persistent=False)

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute the activations of each block in the backward pass instead of keeping them. As released, the
        attention and MLP matrices of all visual blocks are then not trained (docs/facts/mcg_alpro.md 0.5)."""
        if self.released:
            for block in self.vision.blocks:
                for part in (block.attn, block.temporal_attn, block.mlp):
                    part.requires_grad_(not on)
        self.vision.activation_checkpointing = on
        self.text.activation_checkpointing = on
        if self.decoder is not None:
            self.decoder.checkpoint_activations(on)

    @property
    def temperature(self) -> Tensor:
        """The learned divisor, kept within [0.001, 0.5]; a scalar. Gradient passes the bounds, or a value that a step
        took over one of them would stay there for good."""
        return (self.temp + (self.temp.clamp(0.001, 0.5) - self.temp).detach())[0]

    def encode_video(self, frames_BTHWC: Tensor, with_attention: bool = False) -> VideoStates:
        """frames_BTHWC: uint8 RGB, as a Batch has them. T is num_frames of the visual encoder, or C times as many: C
        clips one after the other, each encoded by itself, whose states are averaged token by token."""
        pixels = frames_BTHWC.permute(0, 1, 4, 2, 3).float()
        pixels = (pixels - self.pixel_mean.float()) / self.pixel_std.float()
        return self.vision(pixels.to(self.vision_proj.weight.dtype), with_attention)

    def encode_text(
        self, ids_BL: Tensor, mask_BL: Tensor, with_attention: bool = False, contrastive: bool = False
    ) -> TextStates:
        """ids_BL: int64; mask_BL: bool, True at real tokens. contrastive: for the space shared with videos, which MCG
        as released reads without the order of the tokens (docs/facts/mcg_alpro.md 6.2 M2)."""
        return self.text(ids_BL, mask_BL, with_attention, positions=not (contrastive and self.contrast_without_order))

    def fuse(self, text: TextStates, video: VideoStates) -> TextStates:
        """Text that has seen the video, its [CLS] first: F = L + V tokens by concatenation, L by cross-attention."""
        return self.text.fuse(text, video.tokens_BVD)

    def project_video(self, states_xD: Tensor) -> Tensor:
        """Unit vectors (..., E) of video states (..., D)."""
        return functional.normalize(self.vision_proj(states_xD), dim=-1)

    def project_text(self, states_xD: Tensor) -> Tensor:
        """Unit vectors (..., E) of text states (..., D)."""
        return functional.normalize(self.text_proj(states_xD), dim=-1)

    def token_logits(self, states_ND: Tensor) -> Tensor:
        """Vocabulary logits (N, K) of fused states, for masked-language modelling."""
        return self.text.token_logits(states_ND)

    def match_logits(self, fused: TextStates) -> Tensor:
        """(B, 2) from the fused [CLS]; class 1 says that text and video belong together. Raises ValueError without a
        head for it."""
        if self.itm_head is None:
            raise ValueError("this model has no head for matching; set model.matching_head: true")
        return self.itm_head(fused.states_BLD[:, 0])

    def classify(self, fused: TextStates) -> Tensor:
        """(B, num_classes) from the fused [CLS]. Raises ValueError without a classifier."""
        if self.classifier is None:
            raise ValueError("this model has no classifier; set model.num_classes to the length of the answer list")
        return self.classifier(fused.states_BLD[:, 0])

    def decode(self, ids_BA: Tensor, mask_BA: Tensor, memory: TextStates) -> Tensor:
        """Decoder states (B, A, D) of answers that start with [DEC]."""
        return self._decoder()(ids_BA, mask_BA, self._visible(memory))

    def answer_logits(self, states_ND: Tensor) -> Tensor:
        """Next-token logits (N, K) of decoder states."""
        return self._decoder().token_logits(states_ND)

    def generate(
        self,
        memory: TextStates,
        *,
        start_id: int,
        end_id: int,
        pad_id: int,
        num_beams: int,
        max_tokens: int,
        min_tokens: int = 1,
        num_answers: int = 1,
    ) -> Generated:
        """Beam search over up to max_tokens ids, start_id included, with a score for each answer; the num_answers best
        ones of each sample, one after the other."""
        return self._decoder().generate(
            self._visible(memory),
            start_id=start_id,
            end_id=end_id,
            pad_id=pad_id,
            num_beams=num_beams,
            max_tokens=max_tokens,
            min_tokens=min_tokens,
            num_answers=num_answers,
        )

    def answer_log_likelihood(self, memory: TextStates, ids_NA: Tensor, mask_NA: Tensor, row_N: Tensor) -> Tensor:
        """float32 (N,): log-likelihood of answer n, which starts with [DEC] and ends with [SEP], given row row_N[n]
        (int64) of the memory: the sum over its tokens after the first. The memory's rows are copied for their answers,
        so bound N."""
        return self._decoder().log_likelihood(ids_NA, mask_NA, self._visible(memory).rows(row_N))

    def first_token_log_probs(self, memory: TextStates, start_id: int) -> Tensor:
        """float32 (B, K): log-probability of each word piece as the first of an answer."""
        starts_B1 = torch.full((len(memory.states_BLD), 1), start_id, device=memory.states_BLD.device)
        states_B1D = self.decode(starts_B1, torch.ones_like(starts_B1, dtype=torch.bool), memory)
        return self.answer_logits(states_B1D[:, 0]).float().log_softmax(-1)

    def _visible(self, memory: TextStates) -> TextStates:
        """What the decoder attends to: real tokens; as released also the padding of questions (6.2 M8)."""
        return memory._replace(mask_BL=torch.ones_like(memory.mask_BL)) if self.released else memory

    def _decoder(self) -> Decoder:
        if self.decoder is None:
            raise ValueError("this model has no decoder; set model.text.num_decoder_layers to 1 or more")
        return self.decoder
