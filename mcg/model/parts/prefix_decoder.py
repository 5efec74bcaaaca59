"""Words behind a prefix that sees none of them, as a video and an instruction do: its keys and values are made once.

A step runs the new word of each sentence, and where the next word is read at a token of its own ([MASK]) this token,
which no later word sees. The sentences of a sample are branches of one tree: their keys stand one after the other
behind the sample's prefix, and a mask says which of them a branch consists of, so that nothing is copied when beams
change. The prefix stands there once for all beams.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from mcg.model.parts.beam_search import Sentences
from mcg.model.states import GenerationPlan


class _WordLayers(Protocol):
    """Layers over a prefix and words in one sequence (JointEncoder, or the two towers of clip_decoder.py)."""

    def embed(self, ids_BL: Tensor, place_BL: Tensor) -> Tensor:
        """States (B, L, D) of words at their places among the words."""

    def __call__(self, states_BFD: Tensor, seen: Tensor, cache: Any) -> Tensor:
        """The layers. seen: bool (B, F, C), the C tokens of the cache and of the states that each of these sees."""

    def predictions(self, states: Tensor) -> Tensor:
        """Logits over the vocabulary."""


class PrefixDecoder(Sentences):
    """The sentences of a beam search. prefix_BPD: states before the first layer; mask_BP: True at real
    tokens; reader_id: the token at which the next word is read, None where it is the last word itself. words: a
    further cache, of layers that see words alone."""

    def __init__(
        self,
        layers: _WordLayers,
        prefix_BPD: Tensor,
        mask_BP: Tensor,
        plan: GenerationPlan,
        reader_id: int | None,
        words: KeyCache | None = None,
    ) -> None:
        self._layers, self._reader_id = layers, reader_id
        readers = 0 if reader_id is None else plan.num_beams
        self._cache = KeyCache(room=1 + (plan.max_tokens - 2) * plan.num_beams + readers)
        self._caches = [self._cache] if words is None else [self._cache, words]
        layers(prefix_BPD, mask_BP[:, None], self._cache)
        self._cache.filled = mask_BP.shape[1]
        self._seen_RWC = mask_BP[:, None]
        """The tokens of the cache that each sentence sees."""
        self._num_words = 0

    def add(self, word_RW: Tensor, parent_RW: Tensor) -> Tensor:
        W = word_RW.shape[1]
        own_RWW = torch.eye(W, dtype=torch.bool, device=word_RW.device).expand(len(word_RW), W, W)
        before_RWC = self._seen_RWC.gather(1, parent_RW[..., None].expand(-1, -1, self._seen_RWC.shape[2]))
        self._seen_RWC = seen = torch.cat([before_RWC, own_RWW], 2)
        states = self._layers.embed(word_RW, torch.full_like(word_RW, self._num_words))
        self._num_words += 1
        if self._reader_id is not None:
            place_RW = torch.full_like(word_RW, self._num_words)
            reader = self._layers.embed(torch.full_like(word_RW, self._reader_id), place_RW)
            states = torch.cat([states, reader], 1)
            of_words = torch.cat([seen, torch.zeros_like(own_RWW)], 2)
            seen = torch.cat([of_words, torch.cat([seen, own_RWW], 2)], 1)
        states = self._layers(states, seen, self._cache)
        for cache in self._caches:
            cache.filled += W  # the readers are written over
        return self._layers.predictions(states[:, -W:])

    def keep(self, row_N: Tensor) -> None:
        self._seen_RWC = self._seen_RWC[row_N]
        for cache in self._caches:
            cache.keep(row_N)


class KeyCache:
    """Keys and values (R, heads, C, width) of every layer, in the form that layers of `transformers` ask for."""

    def __init__(self, room: int) -> None:
        """room: tokens that may follow the first."""
        self.filled = 0
        self._room = room
        self._layers: list[tuple[Tensor, Tensor]] = []

    def update(self, key: Tensor, value: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """All keys and values that there are, with these new ones behind them."""
        if layer == len(self._layers):
            R, H, C, width = key.shape
            self._layers.append(
                (key.new_empty(R, H, C + self._room, width), value.new_empty(R, H, C + self._room, width))
            )
        end = self.filled + key.shape[2]
        keys, values = self._layers[layer]
        keys[:, :, self.filled : end], values[:, :, self.filled : end] = key, value
        return keys[:, :, :end], values[:, :, :end]

    def keep(self, row_N: Tensor) -> None:
        self._layers = [(keys[row_N], values[row_N]) for keys, values in self._layers]
