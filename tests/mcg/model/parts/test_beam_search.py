"""Beam search over a table of log-probabilities: what is found, what ends it, and for whom anything is computed."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mcg.model.parts.beam_search import Sentences, beam_search
from mcg.model.states import GenerationPlan

START, END, PAD = 0, 1, 2
CPU = torch.device("cpu")


class Chain(Sentences):
    """Words that hang on the last word alone: logits_BKK of each sample. Counts the rows that it is asked for."""

    def __init__(self, logits_BKK: Tensor) -> None:
        self.logits, self.rows = logits_BKK, []

    def add(self, word_RW: Tensor, parent_RW: Tensor) -> Tensor:
        self.rows.append(len(word_RW))
        assert len(word_RW) == len(self.logits) and word_RW.shape == parent_RW.shape
        return self.logits.gather(1, word_RW[..., None].expand(-1, -1, self.logits.shape[2]))

    def keep(self, row_N: Tensor) -> None:
        self.logits = self.logits[row_N]


def _plan(max_tokens: int, num_beams: int = 1, **rest: int) -> GenerationPlan:
    return GenerationPlan(START, END, PAD, num_beams, max_tokens, **rest)


def _logits(seed: int, samples: int = 3, words: int = 7, spread: float = 2.0) -> Tensor:
    return torch.randn(samples, words, words, generator=torch.Generator().manual_seed(seed)) * spread


def _score(logits_KK: Tensor, ids: list[int]) -> float:
    """Mean log-probability of the words up to the end."""
    words = ids[: ids.index(END) + 1] if END in ids else ids
    log = logits_KK.log_softmax(-1)
    return float(sum(log[a, b] for a, b in pairwise(words)) / (len(words) - 1))


@given(st.integers(0, 10_000))
def test_one_beam_takes_the_likeliest_word_until_the_end(seed: int) -> None:
    logits = _logits(seed)
    found = beam_search(Chain(logits), 3, _plan(6), CPU)
    for sample, row in enumerate(found.ids_BA.tolist()):
        expected = [START]
        while len(expected) < 6 and expected[-1] != END:
            expected.append(int(logits[sample, expected[-1]].argmax()))
        assert row == expected + [PAD] * (6 - len(expected))
        assert float(found.scores_B[sample]) == pytest.approx(_score(logits[sample], expected), abs=1e-5)


@given(st.integers(0, 10_000))
def test_enough_beams_find_the_best_of_all_sentences_of_the_longest_length(seed: int) -> None:
    logits = _logits(seed, words=4)
    plan = _plan(4, num_beams=64, min_tokens=3)  # no word ends before, so means of one length are compared
    found = beam_search(Chain(logits), 3, plan, CPU)
    for sample in range(3):
        rows = [[START, *rest] for rest in product(range(4), repeat=3) if END not in rest[:2]]
        best = max(_score(logits[sample], row) for row in rows)
        assert _score(logits[sample], found.ids_BA[sample].tolist()) == pytest.approx(best, abs=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_more_beams_than_one_give_sentences_in_order_with_their_own_scores(seed: int, num_answers: int) -> None:
    logits = _logits(seed)
    found = beam_search(Chain(logits), 3, _plan(6, num_beams=5, num_answers=num_answers), CPU)
    for sample in range(3):
        rows = found.ids_BA.view(3, num_answers, 6)[sample].tolist()
        scores = found.scores_B.view(3, num_answers)[sample].tolist()
        assert scores == sorted(scores, reverse=True) and len({tuple(row) for row in rows}) == num_answers
        for row, score in zip(rows, scores, strict=True):
            assert score == pytest.approx(_score(logits[sample], row), abs=1e-5)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_sample_is_searched_alike_in_any_company(num_beams: int) -> None:
    logits = _logits(5, samples=6)
    logits[::2, :, END] += 3.0
    plan = _plan(9, num_beams)
    together = beam_search(Chain(logits), 6, plan, CPU)
    for sample in range(6):
        alone = beam_search(Chain(logits[[sample]]), 1, plan, CPU)
        assert torch.equal(alone.ids_BA[0], together.ids_BA[sample])
        torch.testing.assert_close(alone.scores_B[0], together.scores_B[sample])


def test_a_sentence_that_has_ended_costs_nothing() -> None:
    logits = torch.full((3, 6, 6), -9.0)
    logits[:, START, 3] = logits[0, 3, END] = logits[1:, 3, 4] = logits[1, 4, END] = logits[2, 4, 5] = 9.0
    logits[2, 5, 5] = 9.0
    chain = Chain(logits)
    found = beam_search(chain, 3, _plan(7), CPU)
    assert found.ids_BA[:, 1:].tolist() == [
        [3, END, PAD, PAD, PAD, PAD],
        [3, 4, END, PAD, PAD, PAD],
        [3, 4, 5, 5, 5, 5],
    ]
    assert chain.rows == [3, 3, 2, 1, 1, 1]
    chain = Chain(logits[:2])
    beam_search(chain, 2, _plan(7), CPU)
    assert chain.rows == [2, 2, 1], "all have ended, and nothing is asked any more"


@pytest.mark.parametrize("num_beams", [1, 3])
def test_ranks_that_ask_together_ask_to_the_last_word(num_beams: int) -> None:
    logits = _logits(2)
    logits[:, :, END] += 9.0
    plain, every = Chain(logits), Chain(logits)
    expected = beam_search(plain, 3, _plan(7, num_beams), CPU)
    found = beam_search(every, 3, _plan(7, num_beams), CPU, every_step=True)
    assert torch.equal(found.ids_BA, expected.ids_BA) and torch.equal(found.scores_B, expected.scores_B)
    assert len(every.rows) == 6 > len(plain.rows) and set(every.rows[len(plain.rows) :]) == {1}


def test_no_sentence_ends_before_it_may() -> None:
    logits = _logits(3)
    logits[:, :, END] += 9.0
    for num_beams in (1, 3):
        rows = beam_search(Chain(logits), 3, _plan(7, num_beams, min_tokens=4), CPU).ids_BA
        assert ((rows == END).int().argmax(1) >= 4).all()
