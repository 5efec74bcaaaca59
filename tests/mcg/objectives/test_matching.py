"""Matching against a plain loop: which negatives, what loss; two ranks together give the loss of one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from mcg.objectives.matching import Matching, MatchingConfig
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model

INPUTS = make_inputs()


def test_the_loss_is_that_of_each_pair_and_its_two_hardest_negatives() -> None:
    model = make_model(matching_head=True).eval()
    states = States(model, INPUTS, False)
    loss = Matching(MatchingConfig(negatives="hardest"))(states)
    similar = (states.video_features @ states.text_features.T).fill_diagonal_(-9)
    losses = []
    for i in range(4):
        for text, video, fits in ((i, i, 1), (int(similar[i].argmax()), i, 0), (i, int(similar[:, i].argmax()), 0)):
            length = int(INPUTS["text_mask"][text].sum())
            one = {"text_ids": INPUTS["text_ids"][text : text + 1, :length]}
            one |= {"text_mask": torch.ones(1, length), "frames": INPUTS["frames"][video : video + 1]}
            logits = model.match_logits(States(model, one, False).fused)
            losses.append(functional.cross_entropy(logits, torch.tensor([fits])))
    torch.testing.assert_close(loss, torch.stack(losses).mean())


def test_drawn_negatives_are_never_the_own_pair_and_follow_the_similarities() -> None:
    model = make_model(matching_head=True).eval()
    with torch.no_grad():
        model.temp.fill_(0.5)
    states, objective = States(model, INPUTS, False), Matching(MatchingConfig())
    torch.manual_seed(0)
    drawn = torch.stack([torch.stack(objective._negatives(states)) for _ in range(3000)])
    assert not (drawn == torch.arange(4)).any()
    similar = (states.video_features @ states.text_features.T).detach() / 0.5
    for side, logits in enumerate((similar, similar.T)):
        expected = logits.clone().fill_diagonal_(float("-inf")).softmax(1)
        found = torch.stack([(drawn[:, side] == j).float().mean(0) for j in range(4)], 1)
        assert (found - expected).abs().max() < 0.05


def test_draws_come_from_the_generator_that_the_engine_seeds() -> None:
    states, objective = States(make_model(matching_head=True).eval(), INPUTS, False), Matching(MatchingConfig())
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(torch.stack([torch.stack(objective._negatives(states)) for _ in range(20)]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_a_batch_of_one_has_no_negatives() -> None:
    states = States(make_model(matching_head=True).eval(), {n: a[:1] for n, a in INPUTS.items()}, False)
    with pytest.raises(ValueError, match=r"matching needs a global batch of two samples or more; raise data"):
        Matching(MatchingConfig())(states)


def test_two_ranks_have_the_loss_and_gradient_of_one_process(two_ranks: Path) -> None:
    one, ranks = load_file(two_ranks / "one.safetensors"), [load_file(two_ranks / f"{r}.safetensors") for r in (0, 1)]
    names = [name for name in one if name.startswith("matching")]
    assert len(names) > 40
    for name in names:
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-4, atol=1e-6, msg=name)
