"""One BERT over video and text together, built on `transformers`: word embeddings, layers, the head for words.

The text is only embedded before it meets the video (LAVENDER; docs/facts/lavender.md 1). Attention is
SDPA.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from mcg.model.parts.configs import JointEncoderConfig


class JointEncoder(nn.Module):
    """See the module. The head for words has weights of its own."""

    def __init__(self, config: JointEncoderConfig, vocab_size: int) -> None:
        super().__init__()
        bert = BertConfig(
            vocab_size=vocab_size,
            hidden_size=config.width,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=4 * config.width,
            max_position_embeddings=config.max_positions,
            hidden_dropout_prob=config.dropout,
            attention_probs_dropout_prob=config.dropout,
            initializer_range=config.init_std,
            attn_implementation="sdpa",
        )
        self.bert: Any = BertModel(bert, add_pooling_layer=False)
        self.predictions: Any = BertLMPredictionHead(bert)
        for module in self.predictions.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=config.init_std)
                nn.init.zeros_(module.bias)
        self.predictions.bias = self.predictions.decoder.bias  # untied, one of the two is never trained
        self.activation_checkpointing = False

    @property
    def layers(self) -> list[nn.Module]:
        return list(self.bert.encoder.layer)

    def embed(self, ids_BL: Tensor, place_BL: Tensor) -> Tensor:
        """States (B, L, D) of tokens at their places in the text, int64; no token has seen another."""
        return self.bert.embeddings(input_ids=ids_BL, position_ids=place_BL)

    def forward(self, states_BFD: Tensor, seen: Tensor, cache: Any = None) -> Tensor:
        """The layers. seen: bool (B, 1, F) or (B, F, F), True where the token of a row sees that of a column. cache: of
        tokens that stand before these, which have columns too (PrefixDecoder)."""
        mask = seen[:, None]
        for layer in self.layers:
            if self.activation_checkpointing and self.training:
                states_BFD = checkpoint(layer, states_BFD, use_reentrant=False, attention_mask=mask)
            else:
                states_BFD = layer(states_BFD, attention_mask=mask, past_key_values=cache)
        return states_BFD
