"""Elements of one video are neither positive nor negative for each other, whole, in tiles, and over ranks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import ContrastiveConfig, MatchingConfig, SigmoidConfig
from mcg.objectives.matching import Matching
from mcg.objectives.over_pairs import contrastive, tiles
from mcg.objectives.over_pairs.contrastive import Contrastive, contrastive_loss
from mcg.objectives.over_pairs.same_video import leave_out, repeated_keys
from mcg.objectives.over_pairs.sigmoid import Sigmoid, sigmoid_loss
from mcg.objectives.states import States
from tests.mcg.objectives.pair_losses import features
from tests.mcg.small_model import make_inputs, make_model

KEYS = torch.tensor([5, 7, 5, 9, 7, 5, 1, 9])


def _direct(video: Tensor, text: Tensor, temperature: Tensor, keys: Tensor) -> Tensor:
    """Written as in the docstring of the contrast, pair by pair."""
    logits, total = video @ text.T / temperature, video.new_zeros(())
    for of in (logits, logits.T):
        for i in range(len(keys)):
            others = [j for j in range(len(keys)) if j == i or keys[j] != keys[i]]
            total = total + functional.cross_entropy(of[i, others][None], torch.tensor([others.index(i)]))
    return total / (2 * len(keys))


@pytest.mark.parametrize("small", [0, 256], ids=["tiles", "whole"])
def test_the_contrast_leaves_them_out_of_its_denominators(monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr(contrastive, "_SMALL", small)
    monkeypatch.setattr(tiles, "SIDE", 3)
    gradients = []
    for loss_of in (lambda *given: contrastive_loss(*given, keys_B=KEYS), lambda *given: _direct(*given, KEYS)):
        video, text, numbers = (tensor.clone().requires_grad_() for tensor in features(8))
        loss = loss_of(video, text, numbers[0])
        gradients.append([loss, *torch.autograd.grad(loss, [video, text, numbers])])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_the_sigmoid_loss_asks_nothing_of_such_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "SIDE", 3)
    asked = (KEYS[:, None] != KEYS[None, :]) | torch.eye(8, dtype=torch.bool)
    gradients = []
    for direct in (False, True):
        video, text, numbers = (tensor.clone().requires_grad_() for tensor in features(8))
        if direct:
            fits = 2 * torch.eye(8, dtype=video.dtype) - 1
            logits = fits * (video @ text.T / numbers[0] + numbers[1])
            loss = -(functional.logsigmoid(logits) * asked).sum() / 8
        else:
            loss = sigmoid_loss(video, text, 1 / numbers[0], numbers[1], keys_B=KEYS)
        gradients.append([loss, *torch.autograd.grad(loss, [video, text, numbers])])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def _states(keys: list[int], **fields: Any) -> States:
    padded = functional.pad(torch.tensor(keys)[:, None], (0, 7))  # as the loader pads every array
    inputs = make_inputs(len(keys)) | {"video_key": padded}
    return States(make_model(matching_head=True, **fields), inputs, with_attention=False, seed=3)


def test_a_batch_without_a_repeated_video_has_no_keys() -> None:
    assert repeated_keys({"video_key": torch.tensor([[1], [2]])}) is None and repeated_keys({}) is None
    found = repeated_keys({"video_key": torch.tensor([[1], [1]])})
    assert found is not None and found.tolist() == [1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_matching_takes_no_negative_of_the_same_video(seed: int) -> None:
    states = _states([5, 7, 5, 5])
    states.seed = seed
    for numbers in Matching(MatchingConfig())._negatives(states):
        assert numbers[[0, 2, 3]].tolist() == [1, 1, 1] and numbers[1] in (0, 2, 3)


def test_elements_all_of_one_video_have_no_negatives_and_no_loss_of_their_own() -> None:
    states = _states([5, 5, 5])
    loss = Matching(MatchingConfig())(states)
    logits = states.model.match_logits(states.fused).float()
    assert torch.allclose(loss, functional.cross_entropy(logits, torch.ones(3, dtype=torch.int64)))
    assert Contrastive(ContrastiveConfig())(states) == 0


@pytest.mark.parametrize("objective", [(Contrastive, ContrastiveConfig), (Matching, MatchingConfig)])
def test_as_released_they_are_negatives(objective: tuple[Any, Any]) -> None:
    kind, config = objective
    states, without = _states([5, 7, 5, 5]), _states([1, 2, 3, 4])
    assert torch.equal(kind(config(), "released")(states), kind(config(), "released")(without))
    assert torch.equal(kind(config())(without), kind(config(), "released")(without))
    assert not torch.equal(kind(config())(states), kind(config(), "released")(states))


def test_the_sigmoid_objective_reads_the_keys() -> None:
    assert not torch.equal(Sigmoid(SigmoidConfig())(_states([5, 7, 5])), Sigmoid(SigmoidConfig())(_states([1, 2, 3])))


def test_an_own_text_in_another_block_is_left_out_too() -> None:
    logits = leave_out(torch.zeros(2, 2), torch.tensor([1, 2]), torch.tensor([1, 3]), torch.tensor([-1, 1]))
    assert logits.isinf().tolist() == [[True, False], [False, False]]
