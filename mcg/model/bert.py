"""BERT in its three roles, built on `transformers`: text encoder, fusion of text with video, generating decoder.

Text encoder and fusion run the same layers (facts/mcg_alpro.md 3.2): the text pass starts from token ids, the fusion
pass from the concatenated states of text and video. The decoder is a second stack with causal self-attention that
cross-attends to the fused states; its output layer is tied to its word embeddings. Attention is SDPA; the [CLS]
attention that token-grained contrast weighs words by is computed for that one query row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import BertConfig, BertLMHeadModel, BertModel, DynamicCache, EncoderDecoderCache
from transformers.models.bert.modeling_bert import BertLMPredictionHead


class TextConfig(BaseModel):
    """Size of the text encoder and the decoder; the defaults are BERT base."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    width: int = Field(default=768, gt=0)
    """Channels of a token; equals model.vision.width, since fusion concatenates the two."""
    num_layers: int = Field(default=12, gt=0)
    """Layers of the encoder, run by the text pass and again by the fusion pass."""
    num_heads: int = Field(default=12, gt=0)
    """Attention heads; must divide width."""
    num_decoder_layers: int = Field(default=12, gt=0)
    """Layers of the answer decoder."""
    max_positions: int = Field(default=512, gt=1)
    """Longest text in tokens."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout of hidden states and attention weights."""
    init_std: float = Field(default=0.02, gt=0)
    """Standard deviation of the initial weights. A narrow model from scratch wants about 1 / sqrt(width)."""


class TextStates(NamedTuple):
    """states_BLD; mask_BL (True at real tokens); cls_attention_BL: attention of [CLS] to each token in the last layer,
    mean over heads, detached; None unless asked for."""

    states_BLD: Tensor
    mask_BL: Tensor
    cls_attention_BL: Tensor | None = None


def bert_config(config: TextConfig, vocab_size: int, decoder: bool) -> BertConfig:
    """The `transformers` configuration of either stack."""
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=config.width,
        num_hidden_layers=config.num_decoder_layers if decoder else config.num_layers,
        num_attention_heads=config.num_heads,
        intermediate_size=4 * config.width,
        max_position_embeddings=config.max_positions,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        initializer_range=config.init_std,
        type_vocab_size=1,
        is_decoder=decoder,
        add_cross_attention=decoder,
        attn_implementation="sdpa",
    )


class TextEncoder(nn.Module):
    """Text pass, fusion pass and the masked-token head."""

    def __init__(self, config: TextConfig, vocab_size: int) -> None:
        super().__init__()
        self.bert: Any = BertModel(bert_config(config, vocab_size, decoder=False), add_pooling_layer=False)
        self.predictions = BertLMPredictionHead(self.bert.config)
        self.predictions.bias = self.predictions.decoder.bias  # untied, one of the two is never trained
        self.activation_checkpointing = False

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, with_attention: bool = False) -> TextStates:
        """ids_BL: int64 token ids; mask_BL: bool, True at real tokens."""
        states_BLD = self.bert.embeddings(input_ids=ids_BL)
        return self._layers(states_BLD, mask_BL, with_attention)

    def fuse(self, text: TextStates, video_BVD: Tensor) -> TextStates:
        """Self-attention over [text ; video]: F = L + V tokens, text first."""
        states_BFD = torch.cat([text.states_BLD, video_BVD], 1)
        seen_BV = torch.ones(video_BVD.shape[:2], dtype=torch.bool, device=video_BVD.device)
        return self._layers(states_BFD, torch.cat([text.mask_BL, seen_BV], 1), False)

    def token_logits(self, states_ND: Tensor) -> Tensor:
        """Vocabulary logits of masked-language modelling: (N, K)."""
        return self.predictions(states_ND)

    def _layers(self, states_BLD: Tensor, mask_BL: Tensor, with_attention: bool) -> TextStates:
        attendable = mask_BL[:, None, None, :]
        layers = self.bert.encoder.layer
        attention = None
        for layer in layers:
            if with_attention and layer is layers[-1]:
                attention = _cls_attention(layer, states_BLD, mask_BL)
            if self.activation_checkpointing and self.training:
                states_BLD = checkpoint(layer, states_BLD, attention_mask=attendable, use_reentrant=False)
            else:
                states_BLD = layer(states_BLD, attention_mask=attendable)
        return TextStates(states_BLD, mask_BL, attention)


@torch.no_grad()
def _cls_attention(layer: Any, states_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    attention = layer.attention.self
    B, L, _ = states_BLD.shape
    q_BHd = attention.query(states_BLD[:, 0]).view(B, attention.num_attention_heads, -1)
    k_BLHd = attention.key(states_BLD).view(B, L, attention.num_attention_heads, -1)
    logits_BHL = torch.einsum("bhd,blhd->bhl", q_BHd, k_BLHd) * attention.scaling
    return logits_BHL.masked_fill(~mask_BL[:, None], float("-inf")).softmax(-1).mean(1)


class Decoder(nn.Module):
    """Generating decoder over fused states."""

    def __init__(self, config: TextConfig, vocab_size: int) -> None:
        super().__init__()
        self.bert: Any = BertLMHeadModel(bert_config(config, vocab_size, decoder=True))
        self.bert.tie_weights()

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute each layer's activations in the backward pass, or not."""
        if on:
            self.bert.activation_checkpointing_enable({"use_reentrant": False})
        else:
            self.bert.activation_checkpointing_disable()

    def forward(self, ids_BA: Tensor, mask_BA: Tensor, memory: TextStates) -> Tensor:
        """States (B, A, D) of teacher-forced ids_BA, each of which has seen those before it and the memory."""
        return self.bert.bert(
            input_ids=ids_BA,
            attention_mask=mask_BA.long(),
            encoder_hidden_states=memory.states_BLD,
            encoder_attention_mask=memory.mask_BL.long(),
            use_cache=False,
        ).last_hidden_state

    def token_logits(self, states_ND: Tensor) -> Tensor:
        """Next-token logits (N, K) of decoder states."""
        return self.bert.cls(states_ND)

    @torch.no_grad()
    def generate(
        self, memory: TextStates, *, start_id: int, end_id: int, pad_id: int, num_beams: int, max_tokens: int
    ) -> Tensor:
        """Beam search from start_id to end_id: ids (B, up to max_tokens), start included, padded with pad_id."""
        starts = torch.full((len(memory.states_BLD), 1), start_id, device=memory.states_BLD.device)
        # by ZeRO 3, under which all ranks must call the layers equally often
        partitioned = hasattr(next(self.parameters()), "ds_id")
        return self.bert.generate(
            input_ids=starts,
            attention_mask=torch.ones_like(starts),
            encoder_hidden_states=memory.states_BLD,
            encoder_attention_mask=memory.mask_BL.long(),
            past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
            num_beams=num_beams,
            do_sample=False,
            max_length=max_tokens,
            bos_token_id=start_id,
            eos_token_id=end_id,
            pad_token_id=pad_id,
            synced_gpus=partitioned,
        )
