"""Matching against a plain loop: which negatives, what loss; two ranks together draw what one does, with its loss."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from mcg.objectives.config import MatchingConfig
from mcg.objectives.matching import Matching
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


def _drawn(states: States, seed: int) -> torch.Tensor:
    """Numbers (2, B) of the negatives that a seed gives: texts for videos, videos for texts."""
    states.seed = seed
    return torch.stack(Matching(MatchingConfig())._negatives(states))


def test_drawn_negatives_are_never_the_own_pair_and_follow_the_similarities() -> None:
    model = make_model(matching_head=True).eval()
    with torch.no_grad():
        model.temp.fill_(0.5)
    states = States(model, INPUTS, False)
    drawn = torch.stack([_drawn(states, seed) for seed in range(3000)])
    assert not (drawn == torch.arange(4)).any()
    similar = (states.video_features @ states.text_features.T).detach() / 0.5
    for side, logits in enumerate((similar, similar.T)):
        expected = logits.clone().fill_diagonal_(float("-inf")).softmax(1)
        found = torch.stack([(drawn[:, side] == j).float().mean(0) for j in range(4)], 1)
        assert (found - expected).abs().max() < 0.03  # three standard deviations of a share of 3000 draws


def test_the_draws_of_two_samples_and_of_both_sides_are_independent() -> None:
    alike = {name: array[:1].expand(3, *array.shape[1:]) for name, array in INPUTS.items()}
    states = States(make_model(matching_head=True).eval(), alike, False)
    # of each sample and side, which of the two others it is: 64 patterns, each as likely
    patterns = [((_drawn(states, seed) - torch.arange(3)) % 3 - 1).flatten() for seed in range(6400)]
    counts = torch.bincount(torch.stack(patterns) @ 2 ** torch.arange(6), minlength=64)
    assert ((counts - 100) ** 2 / 100).sum() < 103.4  # of chi-square with 63 degrees of freedom, 1 in 1000 is above


def test_draws_come_from_the_seed_alone() -> None:
    states = States(make_model(matching_head=True).eval(), INPUTS, False)
    draws = []
    for first in (1, 1, 100):
        torch.rand(1)
        draws.append(torch.stack([_drawn(states, first + more) for more in range(20)]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_a_batch_of_one_has_no_negatives() -> None:
    states = States(make_model(matching_head=True).eval(), {n: a[:1] for n, a in INPUTS.items()}, False)
    with pytest.raises(ValueError, match=r"matching needs a global batch of two samples or more; raise data"):
        Matching(MatchingConfig())(states)


@pytest.mark.parametrize("negatives", ["hardest", "sampled"])
def test_two_ranks_have_the_loss_and_gradient_of_one_process(two_ranks: Path, negatives: str) -> None:
    one, ranks = load_file(two_ranks / "one.safetensors"), [load_file(two_ranks / f"{r}.safetensors") for r in (0, 1)]
    names = [name for name in one if name.startswith(f"matching {negatives}")]
    assert len(names) > 40
    for name in names:
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-4, atol=1e-6, msg=name)


def test_two_ranks_draw_the_negatives_of_one_process(two_ranks: Path) -> None:
    one, *halves = (load_file(two_ranks / f"{name}.safetensors")["drawn"] for name in ("one", 0, 1))
    assert torch.equal(torch.cat(halves, 2), one)
    assert len(one.unique(dim=0)) > 90  # of 100 seeds
