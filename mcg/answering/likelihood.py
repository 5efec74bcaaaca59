"""Likelihoods that a decoder gives to answers of fused questions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mcg.model.model import Model
from mcg.model.states import Fused

_ROWS_AT_ONCE = 512
"""Answers whose likelihood is computed in one pass."""


def log_likelihoods(
    model: Model, fused: Fused, ids_BNA: Tensor, mask_BNA: Tensor, rows_at_once: int = _ROWS_AT_ONCE
) -> Tensor:
    """float32 (B, N): log-likelihood of the N answers to each question, the sum over an answer's tokens after the
    first. Answers are int64 with a mask (1 at real tokens); the memory is copied for rows_at_once of them at a time."""
    B, N, _ = ids_BNA.shape
    ids_NA, mask_NA = ids_BNA.flatten(0, 1), mask_BNA.flatten(0, 1)
    row_N = torch.arange(B, device=ids_NA.device).repeat_interleave(N)
    parts = [slice(start, start + rows_at_once) for start in range(0, B * N, rows_at_once)]
    found = [_log_likelihood(model, fused.rows(row_N[part]), ids_NA[part], mask_NA[part]) for part in parts]
    return torch.cat(found).view(B, N)


def first_token_log_probs(model: Model, fused: Fused, start_id: int) -> Tensor:
    """float32 (B, K): log-probability of each token as the first of an answer."""
    starts_B1 = torch.full((len(fused.text_BLD), 1), start_id, device=fused.text_BLD.device)
    states_B1D = model.decode(starts_B1, torch.ones_like(starts_B1, dtype=torch.bool), fused)
    return model.answer_logits(states_B1D[:, 0]).float().log_softmax(-1)


def _log_likelihood(model: Model, memory: Fused, ids_NA: Tensor, mask_NA: Tensor) -> Tensor:
    """float32 (N,): of each answer given its own row of the memory."""
    states_NAD = model.decode(ids_NA[:, :-1], mask_NA[:, :-1], memory)
    real_NA = mask_NA[:, 1:].bool()  # the vocabulary is wide: padding must not pay for it
    losses = functional.cross_entropy(
        model.answer_logits(states_NAD[real_NA]).float(), ids_NA[:, 1:][real_NA], reduction="none"
    )
    return -losses.new_zeros(real_NA.shape).masked_scatter(real_NA, losses).sum(1)
