"""Fusion of a clip and its words by CLIP's blocks, and the heads that read it (T2VLP; docs/facts/t2vlp.md 1).

One sequence [mean of the frames ; frames ; tubes ; words] in the space that frames share with texts, with places of its
own; there is no norm behind the last block. Words are read by the embeddings of the text tower, a match by two bilinear
forms of the first state of the video and the last one of the words, each a unit vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mcg.model.parts.clip import ClipBlocks
from mcg.model.parts.configs import ClipFusionConfig
from mcg.model.parts.prefix_decoder import KeyCache


class ClipFusion(nn.Module):
    """Blocks over video and words."""

    def __init__(self, config: ClipFusionConfig) -> None:
        super().__init__()
        self.config = config
        self.positions = nn.Parameter(torch.randn(config.max_positions, config.width) * 0.01)
        self.blocks = ClipBlocks(config)

    def forward(
        self, states_BFD: Tensor, seen: Tensor, place_F: Tensor | None = None, cache: KeyCache | None = None
    ) -> Tensor:
        """States after the blocks. seen, cache: as ClipBlocks takes them. place_F: int64, places of the tokens; None:
        one after the other. Raises ValueError for a sequence that has more tokens than there are places."""
        found, places = states_BFD.shape[1], self.config.max_positions
        if place_F is None and found > places:
            raise ValueError(
                f"{found} tokens of video and words, and model.fusion.max_positions is {places}; cut the texts, or "
                "take fewer frames or centres"
            )
        positions_FD = self.positions[:found] if place_F is None else self.positions[place_F]
        return self.blocks(states_BFD + positions_FD, seen, cache=cache)


class WordHead(nn.Module):
    """Logits of the vocabulary: a projection, and then the text tower's embeddings of all tokens, whose weight this
    module has too."""

    def __init__(self, config: ClipFusionConfig, embedding: nn.Embedding) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.proj = nn.Linear(config.width, embedding.embedding_dim, bias=False)
        nn.init.normal_(self.proj.weight, std=config.width**-0.5)
        self.decoder = nn.Linear(embedding.embedding_dim, embedding.num_embeddings)
        self.decoder.weight = embedding.weight
        nn.init.zeros_(self.decoder.bias)

    def forward(self, states_ND: Tensor) -> Tensor:
        """(N, K)."""
        return self.decoder(self.proj(self.dropout(states_ND)))


class MatchHead(nn.Module):
    """Whether words and video belong together. over_batch: as released, the words' states are divided by their norm
    over all rows that are scored together, channel by channel, instead of each by its own."""

    def __init__(self, config: ClipFusionConfig, over_batch: bool) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        self.match = nn.Linear(config.width, config.width, bias=False)
        self.unmatch = nn.Linear(config.width, config.width, bias=False)
        for form in (self.match, self.unmatch):
            nn.init.normal_(form.weight, std=config.width**-0.5)
        self._text_dim = 0 if over_batch else -1

    def forward(self, video_BD: Tensor, text_BD: Tensor) -> Tensor:
        """(B, 2): no match, match. Row by row: no pair of another row is computed."""
        video_BD = self.dropout(functional.normalize(video_BD, dim=-1))
        text_BD = self.dropout(functional.normalize(text_BD, dim=self._text_dim))
        return torch.stack([(form(video_BD) * text_BD).sum(-1) for form in (self.unmatch, self.match)], -1)
