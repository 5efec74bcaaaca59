"""Sigmoid loss over all pairs of the global batch (SigLIP, arXiv 2303.15343, section 3.2).

    L = - 1/G sum_ij log sigmoid(z_ij (a v_i . t_j + b)),  z_ij = 1 if i = j, else -1;  i, j over all ranks' samples

Every pair is a question by itself, so that no softmax spans the batch. The factor a (kept as its logarithm) and the
bias b are learned and owned by the objective; the model's own temperature takes no part. Computed in tiles
(mcg/objectives/over_pairs/tiles.py) with exact gradients over the ranks: each takes its videos with the texts of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from mcg import distributed
from mcg.compat import Compat
from mcg.objectives.config import SigmoidConfig
from mcg.objectives.objective import PairObjective
from mcg.objectives.over_pairs.cached_loss import PairFeatures
from mcg.objectives.over_pairs.exchange import Exchange, sum_over_ranks
from mcg.objectives.over_pairs.same_video import leave_out_of_tile
from mcg.objectives.over_pairs.tiles import each_tile, full_precision, pair_gradients, row_products


class Sigmoid(PairObjective):
    """See the module."""

    config: SigmoidConfig

    def __init__(self, config: SigmoidConfig, compat: Compat = "corrected") -> None:
        super().__init__(config, compat)
        # one element instead of a scalar, which DeepSpeed cannot broadcast
        self.log_scale = nn.Parameter(torch.tensor([-math.log(config.temperature)]))
        self.bias = nn.Parameter(torch.tensor([config.bias]))

    def loss(self, features: PairFeatures, keys_B: Tensor | None = None) -> Tensor:
        scale, bias = self.log_scale[0].float().exp(), self.bias[0].float()
        return sigmoid_loss(features.video_BE, features.text_BE, scale, bias, self.config.exchange, keys_B)


def sigmoid_loss(
    video_BE: Tensor,
    text_BE: Tensor,
    scale: Tensor,
    bias: Tensor,
    exchange: Exchange = "gather",
    keys_B: Tensor | None = None,
) -> Tensor:
    """video_BE, text_BE: unit vectors of this rank; scale, bias: of the logits, scalars; keys_B: which elements show
    one video, None where none do. Every rank must hold the same number. Gradients of features are those of the sum of
    the ranks' losses; there is no second derivative."""
    video_BE, text_BE = full_precision(video_BE), full_precision(text_BE)
    loss: Tensor = _Pairs.apply(video_BE, text_BE, scale.to(video_BE.dtype), bias.to(video_BE.dtype), exchange, keys_B)
    return loss


class _Pairs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        video_BE: Tensor,
        text_BE: Tensor,
        scale: Tensor,
        bias: Tensor,
        exchange: Exchange,
        keys_B: Tensor | None,
    ) -> Tensor:
        with torch.autocast(video_BE.device.type, enabled=False):
            rows_B = video_BE.new_zeros(len(video_BE))

            def visit(owner: int, keys: Sequence[Tensor], sums: Tensor) -> None:
                for logits, rows, columns in each_tile(video_BE, keys[0], scale):
                    _positives(owner, logits.add_(bias), rows, columns).neg_()
                    if keys_B is not None:
                        leave_out_of_tile(owner, logits, rows, columns, keys_B, keys[1])
                    rows_B[rows] += functional.softplus(logits).sum(1)  # -log sigmoid(-x)

            more = [] if keys_B is None else [keys_B]
            sum_over_ranks(exchange, [text_BE, *more], rows_B.new_zeros(0), visit)
        ctx.save_for_backward(video_BE, text_BE, scale, bias)
        ctx.exchange, ctx.keys_B = exchange, keys_B
        return rows_B.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None, None]:
        video_BE, text_BE, scale, bias = ctx.saved_tensors
        keys_B = ctx.keys_B
        B = len(video_BE)
        of_bias = torch.zeros_like(bias, dtype=torch.float64)

        def weigh(owner: int, logits: Tensor, rows: slice, columns: slice, keys: Sequence[Tensor]) -> Tensor:
            positives = _positives(owner, logits.add_(bias), rows, columns)
            positives.neg_()
            if keys_B is not None:
                leave_out_of_tile(owner, logits, rows, columns, keys_B, keys[0])
            weights = logits.sigmoid_().mul_(factor)
            positives.neg_()
            of_bias.add_(weights.sum())
            return weights

        with torch.autocast(video_BE.device.type, enabled=False):
            more = [] if keys_B is None else [keys_B]
            of_video, of_text = pair_gradients(ctx.exchange, video_BE, text_BE, scale, more, weigh)
            of_video.mul_(scale / B)
            of_text.mul_(scale / B)
            of_scale = row_products(video_BE, of_video).sum() / scale  # the products are of degree 1 in both
        return of_video, of_text, of_scale.reshape(scale.shape), (of_bias / B).to(bias.dtype), None, None


def _positives(owner: int, tile: Tensor, rows: slice, columns: slice) -> Tensor:
    """The elements of a tile that belong to a video and its own text, a view."""
    has = owner == distributed.rank() and rows == columns
    return tile.diagonal() if has else tile[:0, 0]
