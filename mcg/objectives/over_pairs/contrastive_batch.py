"""The samples of a contrastive batch: those of its micro-batches (engine.contrastive_batch), on all ranks.

An objective chooses among them by their features, which are cached, and the inputs of what it chose come to the rank
that asks, from wherever they are, to be encoded there once more; nothing else travels. A sample's number counts
micro-batches first, then ranks, then places, as one global batch of them all would, so that what is drawn by `seed` and
numbers is what would be drawn in that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from mcg import distributed
from mcg.objectives.over_pairs.cached_loss import CachedLoss, PairFeatures
from mcg.objectives.over_pairs.same_video import VIDEO_KEY, keys_of_texts


class ContrastiveBatch:
    """The samples, of which every micro-batch has as many on every rank, G in all."""

    def __init__(self, features: Sequence[PairFeatures], inputs: Sequence[Mapping[str, Any]], seed: int) -> None:
        """features, inputs: of this rank's micro-batches; inputs are tensors or numpy arrays, wherever they are. seed:
        of what is drawn, the same on all ranks."""
        self.seed = seed
        self._features = features
        self._inputs = inputs

    @cached_property
    def features(self) -> PairFeatures:
        """Of all samples by number, (G, E), fp32, without gradient. All ranks ask together."""
        with torch.no_grad():
            video, text = (self._of_all(torch.stack([one[i] for one in self._features]).float()) for i in (0, 1))
        return PairFeatures(video, text, self._features[0].temperature.detach())

    @cached_property
    def video_keys(self) -> Tensor | None:
        """The array video_key of all samples by number, int64 (G,); None where the task gives none."""
        if VIDEO_KEY not in self._inputs[0]:
            return None
        own = torch.stack([torch.as_tensor(one[VIDEO_KEY])[:, :1] for one in self._inputs])
        return self._of_all(own.to(self._device))[:, 0]

    @cached_property
    def text_keys(self) -> Tensor:
        """A key of the tokens of each text by number, int64 (G,), equal for equal texts. All ranks ask together."""
        texts = [(torch.as_tensor(one["text_ids"]), torch.as_tensor(one["text_mask"])) for one in self._inputs]
        own = torch.stack([keys_of_texts(*text) for text in texts])
        return self._of_all(own.to(self._device))[:, 0]

    def numbers(self, micro_batch: int) -> Tensor:
        """Of this rank's samples of a micro-batch, int64 (B,)."""
        B, world = self._sizes
        first = (micro_batch * world + distributed.rank()) * B
        return torch.arange(first, first + B, device=self._device)

    def rows(self, name: str, number_N: Tensor) -> Tensor:
        """The rows (N, ...) of an input array (B, L, ...) that these samples have, on the device of the features; L is
        that of the longest micro-batch, filled up with zeros. All ranks ask together, each for N samples."""
        B, world = self._sizes
        asked = distributed.gather(number_N).view(world, -1)
        is_own = asked // B % world == distributed.rank()
        owner_N = number_N // B % world
        coming = owner_N.bincount(minlength=world).tolist()
        rows = distributed.swap(self._own_rows(name, asked[is_own]), is_own.sum(1).tolist(), coming)
        return rows[owner_N.argsort(stable=True).argsort()]  # they come by owner

    def _own_rows(self, name: str, number_N: Tensor) -> Tensor:
        """Rows of samples that this rank has."""
        B, world = self._sizes
        arrays = [torch.as_tensor(inputs[name]) for inputs in self._inputs]
        length = distributed.largest(max(array.shape[1] for array in arrays), self._device)
        rows = arrays[0].new_zeros(len(number_N), length, *arrays[0].shape[2:])
        for row, number in zip(rows, number_N.tolist(), strict=True):
            found = arrays[number // (B * world)][number % B]
            row[: len(found)] = found
        return rows.to(self._device)

    def _of_all(self, own: Tensor) -> Tensor:
        """(G, E) by number, of each rank's (micro-batches, B, E)."""
        ranks = distributed.gather(own).view(distributed.world_size(), *own.shape)
        return ranks.transpose(0, 1).flatten(0, 2)

    @property
    def _sizes(self) -> tuple[int, int]:
        """Samples of a micro-batch on a rank, and the number of ranks."""
        return len(self._features[0].video_BE), distributed.world_size()

    @property
    def _device(self) -> torch.device:
        return self._features[0].video_BE.device


@dataclass(frozen=True)
class MicroBatch:
    """A micro-batch as part of a contrastive batch of several."""

    whole: ContrastiveBatch
    place: int
    """Its place among the micro-batches, from 0."""
    losses: Mapping[nn.Module, CachedLoss]
    """Its parts in the losses over the pairs of the whole, by objective."""
