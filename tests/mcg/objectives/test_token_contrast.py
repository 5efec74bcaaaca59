"""Token-grained contrast against a literal, slow version of docs/facts/mcg_alpro.md 3.3, token by token.

tests/parity compares it with the released code's values.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import TokenContrastConfig
from mcg.objectives.states import States
from mcg.objectives.token_contrast import TokenContrast, clipped_weights, merge_words, token_contrast_loss
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


def _literal(
    words: Tensor,
    real: Tensor,
    alpha: Tensor,
    patches: Tensor,
    beta: Tensor,
    temperature: float,
    padding_counts: bool = False,
) -> float:
    """Facts 3.3, one sample after the other."""
    total = 0.0
    for b in range(len(words)):
        w, p = words[b].double(), patches[b].double()
        chosen = [i for i in range(len(w)) if real[b, i]]
        seen = []
        for i in range(len(w)):
            share = _softmax([float(w[i] @ p[k]) / temperature for k in range(len(p))])
            seen.append(functional.normalize(sum((s * p[k] for k, s in enumerate(share)), torch.zeros(1)), dim=0))
        rows = list(range(len(w))) if padding_counts else chosen
        total += _two_way(w[rows], torch.stack(seen)[rows], alpha[b][rows].tolist(), temperature)
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


@pytest.mark.parametrize("padding_counts", [False, True])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_loss_equals_the_literal_one(temperature: float, padding_counts: bool) -> None:
    g = torch.Generator().manual_seed(0)
    words = functional.normalize(torch.randn(3, 6, 4, generator=g), dim=-1)
    patches = functional.normalize(torch.randn(3, 5, 4, generator=g), dim=-1)
    real = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] + [False] * 5])
    words[~real] = words[1, 5].clone()  # padding projects to one vector
    alpha = clipped_weights(torch.rand(3, 6, generator=g), real)
    beta = clipped_weights(torch.rand(3, 5, generator=g), torch.ones(3, 5, dtype=torch.bool))
    found = token_contrast_loss(words, real, alpha, patches, beta, temperature, padding_counts)
    expected = _literal(words, real, alpha, patches, beta, temperature, padding_counts)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_the_objective_puts_the_parts_together() -> None:
    model, inputs = make_model().eval(), make_inputs()
    states = States(model, inputs, with_attention=True)
    found = TokenContrast(TokenContrastConfig(temperature=0.3))(states)
    text, video = states.text, states.video
    attention_BP = video.attention_BTP.mean(1)
    merged = merge_words(text.states_BLD, text.attention_BL, inputs["text_words"], text.mask_BL)
    real = merged.mask_BW
    with torch.no_grad():
        expected = _literal(
            model.word_features(merged.states_BWD),
            real,
            clipped_weights(merged.attention_BW, real),
            model.patch_features(video),
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


def _wider(inputs: dict[str, Tensor], more: int) -> dict[str, Tensor]:
    return {n: functional.pad(a, (0, more)) if n.startswith("text_") else a for n, a in inputs.items()}


def test_a_loss_and_its_gradient_do_not_depend_on_the_padding_of_the_batch() -> None:
    model, inputs = make_model().eval(), make_inputs()
    for config in (TokenContrastConfig(), TokenContrastConfig(padded_words=9)):
        results = []
        for more in (0, 5):
            model.zero_grad()
            loss = TokenContrast(config)(States(model, _wider(inputs, more), True))
            loss.backward()
            results.append((loss.detach(), model.text_proj.weight.grad.clone()))
        torch.testing.assert_close(results[0], results[1], rtol=1e-5, atol=1e-6)
        assert results[0][1].isfinite().all()


def test_more_words_than_padding_allows_are_refused() -> None:
    states = States(make_model().eval(), make_inputs(), True)
    with pytest.raises(ValueError, match=r"padded_words is 1, and a text has \d+ words; set it to task"):
        TokenContrast(TokenContrastConfig(padded_words=1))(states)


def test_as_released_words_and_patches_have_the_weights_of_others() -> None:
    model, inputs = make_model().eval(), make_inputs()
    states = States(model, inputs, True)
    own = TokenContrast(TokenContrastConfig(padded_words=7))(states)
    released = TokenContrast(TokenContrastConfig(padded_words=7), compat="released")(states)
    text, video = states.text, states.video
    shifted = torch.cat([text.attention_BL[:, 1:], torch.zeros(4, 1)], 1)
    merged = merge_words(text.states_BLD, shifted, inputs["text_words"], text.mask_BL)
    with torch.no_grad():
        expected = _literal(
            model.word_features(merged.states_BWD),
            merged.mask_BW,
            clipped_weights(merged.attention_BW, merged.attention_BW > 0),
            model.patch_features(video),
            clipped_weights(video.attention_BTP.flatten(0, 1)[:4], torch.ones(4, 4, dtype=torch.bool)),
            0.1,
            padding_counts=True,
        )
    assert released.item() == pytest.approx(expected, rel=1e-4)
    assert abs(released.item() - own.item()) > 1e-4


def test_two_ranks_have_the_loss_and_gradient_of_one_process(two_ranks: Path) -> None:
    one, ranks = load_file(two_ranks / "one.safetensors"), [load_file(two_ranks / f"{r}.safetensors") for r in (0, 1)]
    names = [name for name in one if name.startswith("token_contrast")]
    assert len(names) > 20
    for name in names:
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-4, atol=1e-6, msg=name)
