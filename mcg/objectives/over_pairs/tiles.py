"""All pairs of the videos and texts of all ranks, tile by tile: the matrix of B x G logits is never whole.

An objective over pairs needs of each tile a few sums over its rows and columns, and in the backward pass the tile's
derivatives, for which the tile is computed again. Memory is that of the features, their gradients and a few tiles:
linear in the global batch. Four products of B x G x E are computed where the whole matrix, gathered from both sides,
takes six. Inf-CL (arXiv 2410.17243) does so for the contrast, SigLIP (arXiv 2303.15343) for its own loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from mcg.objectives.over_pairs.exchange import Exchange, sum_over_ranks

SIDE = 512
"""Rows and columns of a tile: 1 MiB in fp32. On a CPU as fast as larger ones, which take more memory."""
_SIDE_ON_GPU = 4096  # 64 MiB: so few tiles that launching their kernels takes no time

Weigh = Callable[[int, Tensor, slice, slice, Sequence[Tensor]], Tensor]
"""(rank of the texts, logits of a tile, its rows, its columns, keys of that rank): the derivatives of the tile."""


def full_precision(features: Tensor) -> Tensor:
    """Features as logits are made of them, fp32 or fp64: a logit of 1 / 0.07 has two digits in bf16."""
    return features if features.dtype == torch.float64 else features.float()


def each_tile(video_BE: Tensor, text_BE: Tensor, scale: Tensor) -> Iterator[tuple[Tensor, slice, slice]]:
    """The logits of a tile with its rows (videos) and columns (texts). scale: factor of the products, a scalar."""
    side = _SIDE_ON_GPU if video_BE.is_cuda else SIDE
    for rows in _slices(len(video_BE), side):
        queries = video_BE[rows] * scale
        for columns in _slices(len(text_BE), side):
            yield queries @ text_BE[columns].T, rows, columns


def pair_gradients(
    exchange: Exchange, video_BE: Tensor, text_BE: Tensor, scale: Tensor, more_keys: Sequence[Tensor], weigh: Weigh
) -> tuple[Tensor, Tensor]:
    """Gradients of this rank's videos and texts, each from its pairs with those of all ranks, as unit logits have them:
    the sum over j of w_ij t_j, of i of w_ij v_i, both still to be multiplied by `scale`.

    more_keys: what `weigh` needs of a text (B, ...) besides its features, of this rank.
    """
    video_gradient = torch.zeros_like(video_BE)

    def visit(owner: int, keys: Sequence[Tensor], text_gradient: Tensor) -> None:
        text, *more = keys
        for logits, rows, columns in each_tile(video_BE, text, scale):
            weights = weigh(owner, logits, rows, columns, more)
            video_gradient[rows].addmm_(weights, text[columns])
            text_gradient[columns].addmm_(weights.T, video_BE[rows])

    text_gradient = sum_over_ranks(exchange, [text_BE, *more_keys], torch.zeros_like(text_BE), visit)
    return video_gradient, text_gradient


def row_products(first_BE: Tensor, second_BE: Tensor) -> Tensor:
    """The products of rows (B,), without a matrix of B x E between."""
    products_B = first_BE.new_empty(len(first_BE))
    for rows in _slices(len(first_BE), SIDE):
        products_B[rows] = (first_BE[rows] * second_BE[rows]).sum(1)
    return products_B


def _slices(length: int, side: int) -> Iterator[slice]:
    return (slice(start, min(start + side, length)) for start in range(0, length, side))
