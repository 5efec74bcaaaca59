"""Beam search, greedy with one beam, over whatever says how likely each next word is.

A sample whose search has ended leaves the batch, so that it costs nothing any more. A search has ended when it has as
many whole sentences as beams, and none of the others, as long as they are, is better than the worst of them.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mcg.model.states import Generated, GenerationPlan


class Sentences(Protocol):
    """W sentences of each of R samples, which grow by a word at a time."""

    def add(self, word_RW: Tensor, parent_RW: Tensor) -> Tensor:
        """Logits (R, W, K) of the next words, when sentence w has become what number parent_RW[:, w] was, with
        word_RW[:, w] behind it; both int64. The first words are one for each sample, and have no parent: 0."""

    def keep(self, row_N: Tensor) -> None:
        """Only the samples row_N (int64) of the R go on, in that order."""


def beam_search(
    sentences: Sentences, num_samples: int, plan: GenerationPlan, device: torch.device, every_step: bool = False
) -> Generated:
    """The best sentences of every sample by the mean log-probability of their words, the best first; max_tokens wide.

    A sentence that has no end after max_tokens stays as it is. every_step: ask for every next word although all have
    ended, as ranks must that gather the weights together.
    """
    B, W, A = num_samples, plan.num_beams, plan.max_tokens
    ids_B1A = torch.full((B, 1, A), plan.pad_id, device=device)
    ids_B1A[..., 0] = plan.start_id
    running = _Ranked(ids_B1A, torch.zeros(B, 1, device=device))
    whole = _Ranked(ids_B1A.expand(B, W, A), torch.full((B, W), float("-inf"), device=device))
    found = _Ranked(whole.ids_RWA.clone(), whole.score_RW.clone())
    sample_R = torch.arange(B, device=device)
    word_RW, parent_RW = ids_B1A[..., 0], torch.zeros_like(ids_B1A[..., 0])
    for length in range(1, A):
        logits_RWK = sentences.add(word_RW, parent_RW)
        if not len(sample_R):
            continue
        grown, parent_RC = _grown(running, logits_RWK, length, plan)
        ends_RC = grown.ids_RWA[..., length] == plan.end_id
        means = _Ranked(grown.ids_RWA, grown.score_RW / length)
        is_best_C = torch.arange(ends_RC.shape[1], device=device) < W
        whole = whole.joined(means.without(~(ends_RC & is_best_C))).best(W)
        open_RW = ends_RC.int().argsort(dim=1, stable=True)[:, :W]
        running, parent_RW = grown.without(ends_RC).chosen(open_RW), parent_RC.gather(1, open_RW)
        word_RW = running.ids_RWA[..., length]
        if length == A - 1:
            whole, over_R = whole.joined(means.without(ends_RC)).best(W), torch.ones_like(sample_R, dtype=torch.bool)
        elif W == 1:
            over_R = ends_RC[:, 0]
        else:
            over_R = whole.score_RW[:, -1] >= running.score_RW[:, 0] / length
        if not over_R.any():
            continue
        found.ids_RWA[sample_R[over_R]], found.score_RW[sample_R[over_R]] = whole.rows(over_R)
        sample_R, stay_N = sample_R[~over_R], (~over_R).nonzero()[:, 0]
        if not len(stay_N):
            if not every_step:
                break
            stay_N = torch.zeros_like(over_R[:1], dtype=torch.int64)  # for the others' sake
        sentences.keep(stay_N)
        running, whole = running.rows(stay_N), whole.rows(stay_N)
        word_RW, parent_RW = word_RW[stay_N], parent_RW[stay_N]
    best = found.best(plan.num_answers)
    return Generated(best.ids_RWA.flatten(0, 1), best.score_RW.flatten())


def _grown(running: _Ranked, logits_RWK: Tensor, length: int, plan: GenerationPlan) -> tuple[_Ranked, Tensor]:
    """The likeliest sentences of `length` words behind the start, twice as many as beams, of which as many may end; and
    which sentence each was (R, C)."""
    log_RWK = logits_RWK.float().log_softmax(-1)
    if length < plan.min_tokens:
        log_RWK[..., plan.end_id] = float("-inf")
    total_RN = (running.score_RW[..., None] + log_RWK).flatten(1)
    top = total_RN.topk(min(2 * plan.num_beams, total_RN.shape[1]))
    parent_RC, word_RC = top.indices // log_RWK.shape[-1], top.indices % log_RWK.shape[-1]
    ids_RCA = running.chosen(parent_RC).ids_RWA.clone()
    ids_RCA[..., length] = word_RC
    return _Ranked(ids_RCA, top.values), parent_RC


class _Ranked(NamedTuple):
    """Sentences with their scores."""

    ids_RWA: Tensor
    score_RW: Tensor

    def rows(self, row_N: Tensor) -> _Ranked:
        return _Ranked(self.ids_RWA[row_N], self.score_RW[row_N])

    def chosen(self, number_RC: Tensor) -> _Ranked:
        """C of the sentences of each sample."""
        ids_RCA = self.ids_RWA.gather(1, number_RC[..., None].expand(-1, -1, self.ids_RWA.shape[2]))
        return _Ranked(ids_RCA, self.score_RW.gather(1, number_RC))

    def without(self, out_RW: Tensor) -> _Ranked:
        """The same, in which those that are out come last."""
        return _Ranked(self.ids_RWA, self.score_RW.masked_fill(out_RW, float("-inf")))

    def joined(self, other: _Ranked) -> _Ranked:
        ids_RCA = torch.cat([self.ids_RWA, other.ids_RWA], 1)
        return _Ranked(ids_RCA, torch.cat([self.score_RW, other.score_RW], 1))

    def best(self, count: int) -> _Ranked:
        return self.chosen(self.score_RW.topk(count).indices)
