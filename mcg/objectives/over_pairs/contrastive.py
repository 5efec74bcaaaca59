"""Video-text contrastive loss over the global batch (VTC; ALPRO section 3.2, MCG's instance loss).

    L = 1/2 [ CE(v_i . t_j / tau, i) + CE(t_i . v_j / tau, i) ],  j over the samples of all ranks

Gradients are exact at any world size: each rank's features get theirs from the losses of all ranks, and positives are
found by global rank (the releases use the local one, docs/facts/mcg_alpro.md 0.10). j leaves out other elements of the
video of i, unless as released (mcg/objectives/over_pairs/same_video.py). The logits are computed in tiles
(mcg/objectives/over_pairs/tiles.py), with log-sum-exp over rows and columns kept up from tile to tile, so that memory
is linear in the global batch; those of a small batch whole, which is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from mcg import distributed
from mcg.objectives.config import ContrastiveConfig
from mcg.objectives.objective import PairObjective
from mcg.objectives.over_pairs.cached_loss import PairFeatures
from mcg.objectives.over_pairs.exchange import Exchange, sum_over_ranks
from mcg.objectives.over_pairs.same_video import leave_out, leave_out_of_tile
from mcg.objectives.over_pairs.tiles import each_tile, full_precision, pair_gradients, row_products

_SMALL = 256
"""Elements of a global batch up to which the whole matrix is faster: 0.4 ms instead of 0.6 ms at 64 on a CPU, but
11 ms instead of 8 ms at 512."""


class Contrastive(PairObjective):
    """See the module."""

    config: ContrastiveConfig

    def loss(self, features: PairFeatures, keys_B: Tensor | None = None) -> Tensor:
        return contrastive_loss(*features, self.config.exchange, keys_B)


def contrastive_loss(
    video_BE: Tensor,
    text_BE: Tensor,
    temperature: Tensor,
    exchange: Exchange = "gather",
    keys_B: Tensor | None = None,
) -> Tensor:
    """video_BE, text_BE: unit vectors of this rank; temperature: divisor, a scalar; keys_B: which elements show one
    video, None where none do. Every rank must hold the same number. Gradients of features are those of the sum of the
    ranks' losses; the temperature's are right in their sum over the ranks. There is no second derivative."""
    video_BE, text_BE = full_precision(video_BE), full_precision(text_BE)
    if len(video_BE) * distributed.world_size() <= _SMALL:
        return _whole(video_BE, text_BE, temperature, keys_B)
    loss: Tensor = _Contrast.apply(video_BE, text_BE, temperature.to(video_BE.dtype), exchange, keys_B)
    return loss


def _whole(video_BE: Tensor, text_BE: Tensor, temperature: Tensor, keys_B: Tensor | None) -> Tensor:
    video_GE = distributed.gather_with_gradient(video_BE)
    text_GE = distributed.gather_with_gradient(text_BE)
    B = len(video_BE)
    positives_B = torch.arange(B, device=video_BE.device) + B * distributed.rank()
    both = [video_BE @ text_GE.T / temperature, text_BE @ video_GE.T / temperature]
    if keys_B is not None:
        keys_G = distributed.gather(keys_B)
        both = [leave_out(logits, keys_B, keys_G, positives_B) for logits in both]
    video_to_text, text_to_video = (functional.cross_entropy(logits, positives_B) for logits in both)
    return (video_to_text + text_to_video) / 2


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, video_BE: Tensor, text_BE: Tensor, temperature: Tensor, exchange: Exchange, keys_B: Tensor | None
    ) -> Tensor:
        with torch.autocast(video_BE.device.type, enabled=False):
            scale = 1 / temperature
            rows_B = video_BE.new_full((len(video_BE),), float("-inf"))

            more = [] if keys_B is None else [keys_B]

            def visit(owner: int, keys: Sequence[Tensor], columns_B: Tensor) -> None:
                for logits, rows, columns in each_tile(video_BE, keys[0], scale):
                    if keys_B is not None:
                        leave_out_of_tile(owner, logits, rows, columns, keys_B, keys[1])
                    rows_B[rows] = torch.logaddexp(rows_B[rows], logits.logsumexp(1))
                    columns_B[columns] = torch.logaddexp(columns_B[columns], logits.logsumexp(0))

            start = torch.full_like(rows_B, float("-inf"))
            columns_B = sum_over_ranks(exchange, [text_BE, *more], start, visit, logarithms=True)
            positives_B = row_products(video_BE, text_BE) * scale
        ctx.save_for_backward(video_BE, text_BE, temperature, rows_B, columns_B)
        ctx.exchange, ctx.keys_B = exchange, keys_B
        return ((rows_B + columns_B) / 2 - positives_B).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        video_BE, text_BE, temperature, rows_B, columns_B = ctx.saved_tensors
        keys_B = ctx.keys_B
        scale = 1 / temperature
        factors = distributed.gather(factor.reshape(1))

        def weigh(owner: int, logits: Tensor, rows: slice, columns: slice, keys: Sequence[Tensor]) -> Tensor:
            """A video's share of its row counts in this rank's loss, a text's share of its column in its owner's."""
            if keys_B is not None:
                leave_out_of_tile(owner, logits, rows, columns, keys_B, keys[1])
            of_row = (logits - rows_B[rows, None]).exp_().mul_(factor / 2)
            of_column = logits.sub_(keys[0][columns]).exp_()
            return of_row.addcmul_(of_column, factors[owner] / 2)

        more = [columns_B] if keys_B is None else [columns_B, keys_B]
        with torch.autocast(video_BE.device.type, enabled=False):
            of_video, of_text = pair_gradients(ctx.exchange, video_BE, text_BE, scale, more, weigh)
            each = scale / len(video_BE)
            of_video.addcmul_(text_BE, factor, value=-1).mul_(each)
            of_text.addcmul_(video_BE, factor, value=-1).mul_(each)
            # logits are homogeneous: of degree 1 in the videos and -1 in the temperature
            of_temperature = -row_products(video_BE, of_video).sum() * scale
        return of_video, of_text, of_temperature.reshape(temperature.shape), None, None
