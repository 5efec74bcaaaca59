"""BERT in its three roles, built on `transformers`: text encoder, fusion of text with video, generating decoder.

The layers of one stack serve text and fusion. MCG as released runs all of them twice (docs/facts/mcg_alpro.md 3.2): the
text pass starts from token ids, the fusion pass from the states of text and video; ALPRO splits the stack, the first 6
layers for text and the last 6 for fusion (facts 2.1; `num_fusion_layers`). Fusion is self-attention over text and video
one after the other, as both are released, or, as MCG's figure draws it, text that cross-attends to the video
(`fusion`). The decoder is a second stack with causal self-attention that cross-attends to the fused states; its output
layer is tied to its word embeddings. Attention is SDPA; the [CLS] attention that token-grained contrast weighs words by
is computed for that one query row.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# The losses of its detectors, which nothing here uses, would load SciPy: most of a second of every start.
with patch("transformers.utils.is_scipy_available", bool):
    import transformers.loss.loss_utils  # noqa: F401
from transformers import BertConfig, BertLMHeadModel, BertModel, DynamicCache, EncoderDecoderCache
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from mcg.model.compiling import uncompiled
from mcg.model.parts.configs import TextConfig
from mcg.model.states import Fused, Generated, GenerationPlan, TextStates, VideoStates


class Memory(NamedTuple):
    """The sequence that the decoder attends to, with its mask (True at real tokens)."""

    states_BFD: Tensor
    mask_BF: Tensor


def _bert_config(config: TextConfig, vocab_size: int, decoder: bool) -> BertConfig:
    """The `transformers` configuration of either stack."""
    attends = decoder or config.fusion == "cross_attention"
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
        is_decoder=attends,
        add_cross_attention=attends,
        attn_implementation="sdpa",
    )


class TextEncoder(nn.Module):
    """Text pass, fusion pass and the masked-token head."""

    def __init__(self, config: TextConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.bert: Any = BertModel(_bert_config(config, vocab_size, decoder=False), add_pooling_layer=False)
        split = config.num_layers - (config.num_fusion_layers or config.num_layers)
        layers = self.layers
        self._text_layers, self._fusion_layers = slice(0, split or None), slice(split, None)
        if config.fusion == "cross_attention":
            for layer in layers[:split]:  # they never see the video
                del layer.crossattention
        self.predictions: Any = None
        if config.token_head != "none":
            self.predictions = BertLMPredictionHead(self.bert.config)
            self.predictions.bias = self.predictions.decoder.bias  # untied, one of the two is never trained
        if config.token_head == "tied":
            self.predictions.decoder.weight = self.bert.embeddings.word_embeddings.weight
        self.activation_checkpointing = False

    @property
    def layers(self) -> list[nn.Module]:
        """Of text and of fusion."""
        return list(self.bert.encoder.layer)

    def forward(
        self, ids_BL: Tensor, mask_BL: Tensor, with_attention: bool = False, positions: bool = True
    ) -> TextStates:
        """ids_BL: int64 token ids; mask_BL: bool, True at real tokens. positions: False puts every token at place 0,
        a bug of the release (docs/facts/mcg_alpro.md 6.2 M2)."""
        places = None if positions else torch.zeros_like(ids_BL)
        states_BLD = self.bert.embeddings(input_ids=ids_BL, position_ids=places)
        return self._run(self._text_layers, states_BLD, mask_BL, with_attention)

    def fuse(self, text: TextStates, video: VideoStates) -> Fused:
        """By concatenation: self-attention over [text ; video], text first. By cross-attention: the text's tokens, each
        of which attends to the video's, whose states stay as they are."""
        if self.config.fusion == "cross_attention":
            states_BLD = self._run(
                self._fusion_layers, text.states_BLD, text.mask_BL, False, video.tokens_BVD
            ).states_BLD
            return Fused(states_BLD, text.mask_BL, video.tokens_BVD, video.mask_BV)
        states_BFD = torch.cat([text.states_BLD, video.tokens_BVD], 1)
        mask_BF = torch.cat([text.mask_BL, video.mask_BV], 1)
        states_BFD = self._run(self._fusion_layers, states_BFD, mask_BF, False).states_BLD
        L = text.mask_BL.shape[1]
        return Fused(states_BFD[:, :L], text.mask_BL, states_BFD[:, L:], video.mask_BV)

    def _run(
        self,
        chosen: slice,
        states_BLD: Tensor,
        mask_BL: Tensor,
        with_attention: bool,
        video_BVD: Tensor | None = None,
    ) -> TextStates:
        layers = self.bert.encoder.layer[chosen]
        given: Any = {"attention_mask": mask_BL[:, None, None, :], "encoder_hidden_states": video_BVD}
        attention = None
        for number, layer in enumerate(layers):
            if with_attention and number == len(layers) - 1:
                attention = _cls_attention(layer, states_BLD, mask_BL)
            if self.activation_checkpointing and self.training:
                states_BLD = checkpoint(layer, states_BLD, use_reentrant=False, **given)
            else:
                states_BLD = layer(states_BLD, **given)
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
        self.bert: Any = BertLMHeadModel(_bert_config(config, vocab_size, decoder=True))
        self.bert.tie_weights()

    @property
    def layers(self) -> list[nn.Module]:
        return list(self.bert.bert.encoder.layer)

    def checkpoint_activations(self, on: bool) -> None:
        """Recompute each layer's activations in the backward pass, or not."""
        if on:
            self.bert.activation_checkpointing_enable({"use_reentrant": False})
        else:
            self.bert.activation_checkpointing_disable()

    def forward(self, ids_BA: Tensor, mask_BA: Tensor, memory: Memory) -> Tensor:
        """States (B, A, D) of teacher-forced ids_BA, each of which has seen those before it and the memory."""
        return self.bert.bert(
            input_ids=ids_BA,
            attention_mask=mask_BA.long(),
            encoder_hidden_states=memory.states_BFD,
            encoder_attention_mask=memory.mask_BF.long(),
            use_cache=False,
        ).last_hidden_state

    def token_logits(self, states_ND: Tensor) -> Tensor:
        """Next-token logits (N, K) of decoder states."""
        return self.bert.cls(states_ND)

    @torch.no_grad()
    def generate(self, memory: Memory, plan: GenerationPlan) -> Generated:
        """Beam search, greedy with one beam."""
        starts = torch.full((len(memory.states_BFD), 1), plan.start_id, device=memory.states_BFD.device)
        # by ZeRO 3, under which all ranks must call the layers equally often
        partitioned = hasattr(next(self.parameters()), "ds_id")
        with uncompiled():  # a layer would be compiled anew for caches of each kind
            found = self.bert.generate(
                input_ids=starts,
                attention_mask=torch.ones_like(starts),
                encoder_hidden_states=memory.states_BFD,
                encoder_attention_mask=memory.mask_BF.long(),
                past_key_values=EncoderDecoderCache(DynamicCache(), DynamicCache()),
                num_beams=plan.num_beams,
                num_return_sequences=plan.num_answers,
                do_sample=False,
                length_penalty=1.0,
                max_length=plan.max_tokens,
                min_length=plan.min_tokens,
                bos_token_id=plan.start_id,
                eos_token_id=plan.end_id,
                pad_token_id=plan.pad_id,
                synced_gpus=partitioned,
                return_dict_in_generate=True,
                output_scores=True,
            )
        ids_BA = found.sequences
        if plan.num_beams > 1:
            return Generated(ids_BA, found.sequences_scores.float())
        logits_BAK = torch.stack(found.scores, 1).float()
        chosen_BA = logits_BAK.log_softmax(-1).gather(2, ids_BA[:, 1:, None]).squeeze(2)
        ended_BA = (ids_BA[:, 1:] == plan.end_id).cumsum(1) - (ids_BA[:, 1:] == plan.end_id).long() > 0
        kept_BA = chosen_BA.masked_fill(ended_BA, 0)
        return Generated(ids_BA, kept_BA.sum(1) / (~ended_BA).sum(1))
