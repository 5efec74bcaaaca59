"""Token-grained contrast against a literal, slow version of facts/mcg_alpro.md 3.3, sample by sample, token by token.

tests/parity compares it with the released code's values.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mcg.objectives.states import States
from mcg.objectives.token_contrast import (
    TokenContrast,
    TokenContrastConfig,
    clipped_weights,
    merge_words,
    token_contrast_loss,
)
from tests.mcg.small_model import make_inputs, make_model

TEXTS = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), min_size=1, max_size=4)
"""Samples; a sample is the numbers of pieces of its words, [CLS] apart."""


def _pad(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """(words, mask), each (B, L)."""
    lines = [[0, *(number for number, pieces in enumerate(text, 1) for _ in range(pieces))] for text in texts]
    longest = max(map(len, lines)) + 2
    words = torch.tensor([line + [0] * (longest - len(line)) for line in lines])
    mask = torch.tensor([[True] * len(line) + [False] * (longest - len(line)) for line in lines])
    return words, mask


@given(TEXTS, st.integers(0, 2**32 - 1))
def test_merging_equals_a_loop_over_pieces(texts: list[list[int]], seed: int) -> None:
    words, mask = _pad(texts)
    B, L = words.shape
    g = torch.Generator().manual_seed(seed)
    states, attention = torch.randn(B, L, 3, generator=g), torch.rand(B, L, generator=g)
    expected_states, expected_attention = torch.zeros(B, L - 1, 3), torch.zeros(B, L - 1)
    expected_mask = torch.zeros(B, L - 1, dtype=torch.bool)
    for b in range(B):
        for place in range(L):
            if mask[b, place] and words[b, place] > 0:
                slot = int(words[b, place]) - 1
                expected_states[b, slot] += states[b, place]
                expected_attention[b, slot] += attention[b, place]
                expected_mask[b, slot] = True
    found = merge_words(states, attention, words, mask)
    torch.testing.assert_close(found.states_BWD, expected_states)
    torch.testing.assert_close(found.attention_BW, expected_attention)
    assert torch.equal(found.mask_BW, expected_mask)


@given(st.lists(st.floats(1e-4, 1), min_size=1, max_size=9), st.integers(0, 3))
def test_weights_are_clipped_to_their_quantiles_and_sum_to_one(values: list[float], num_padding: int) -> None:
    attention = torch.tensor([values + [0.0] * num_padding], dtype=torch.float32)
    found = clipped_weights(attention, attention > 0)[0].tolist()
    low, high = np.quantile(np.array(values, np.float32), [0.1, 0.9])
    clipped = np.clip(values, low, high)
    assert found[: len(values)] == pytest.approx(clipped / clipped.sum(), rel=1e-4)
    assert not any(found[len(values) :])


def _softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(x - top) for x in logits]
    return [p / sum(powers) for p in powers]


def _literal(words: Tensor, real: Tensor, alpha: Tensor, patches: Tensor, beta: Tensor, temperature: float) -> float:
    """Facts 3.3, one sample after the other."""
    total = 0.0
    for b in range(len(words)):
        w, p = words[b].double(), patches[b].double()
        seen = []
        for i in range(len(w)):
            share = _softmax([float(w[i] @ p[k]) / temperature for k in range(len(p))])
            seen.append(functional.normalize(sum((s * p[k] for k, s in enumerate(share)), torch.zeros(1)), dim=0))
        total += _two_way(w, torch.stack(seen), alpha[b].tolist(), temperature)
        chosen = [i for i in range(len(w)) if real[b, i]]
        seen = []
        for k in range(len(p)):
            share = _softmax([float(p[k] @ w[i]) / temperature for i in chosen])
            seen.append(sum((s * w[i] for i, s in zip(chosen, share, strict=True)), torch.zeros(1)))
        total += _two_way(p, torch.stack(seen), beta[b].tolist(), temperature)
    return total / len(words)


def _two_way(own: Tensor, seen: Tensor, weights: list[float], temperature: float) -> float:
    logits = own @ seen.T / temperature
    loss = 0.0
    for i, weight in enumerate(weights):
        along = -math.log(_softmax(logits[i].tolist())[i])
        down = -math.log(_softmax(logits[:, i].tolist())[i])
        loss += weight * (along + down) / 2
    return loss


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_loss_equals_the_literal_one(temperature: float) -> None:
    g = torch.Generator().manual_seed(0)
    words = functional.normalize(torch.randn(3, 6, 4, generator=g), dim=-1)
    patches = functional.normalize(torch.randn(3, 5, 4, generator=g), dim=-1)
    real = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] + [False] * 5])
    words[~real] = words[1, 5].clone()  # padding projects to one vector
    alpha = clipped_weights(torch.rand(3, 6, generator=g), real)
    beta = clipped_weights(torch.rand(3, 5, generator=g), torch.ones(3, 5, dtype=torch.bool))
    found = token_contrast_loss(words, real, alpha, patches, beta, temperature)
    assert found.item() == pytest.approx(_literal(words, real, alpha, patches, beta, temperature), rel=1e-5)


def test_the_objective_puts_the_parts_together() -> None:
    model, inputs = make_model().eval(), make_inputs()
    states = States(model, inputs, with_attention=True)
    found = TokenContrast(TokenContrastConfig(temperature=0.3))(states)
    text, video = states.text, states.video
    attention_BP = video.cls_attention_BTP.mean(1)
    merged = merge_words(text.states_BLD, text.cls_attention_BL, inputs["text_words"], text.mask_BL)
    real = merged.mask_BW
    with torch.no_grad():
        expected = _literal(
            model.project_text(merged.states_BWD),
            real,
            clipped_weights(merged.attention_BW, real),
            model.project_video(video.tokens_BVD[:, 1:]),
            clipped_weights(attention_BP, torch.ones_like(attention_BP, dtype=torch.bool)),
            0.3,
        )
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_no_sample_sees_another() -> None:
    model, inputs = make_model().eval(), make_inputs()
    objective = TokenContrast(TokenContrastConfig())
    alone = [
        objective(States(model, {name: array[i : i + 1] for name, array in inputs.items()}, True)) for i in range(4)
    ]
    torch.testing.assert_close(objective(States(model, inputs, True)), torch.stack(alone).mean())


def test_the_weights_carry_no_gradient() -> None:
    attention = torch.rand(2, 4, requires_grad=True)
    assert not clipped_weights(attention, torch.ones(2, 4, dtype=torch.bool)).requires_grad
