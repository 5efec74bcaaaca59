"""Matching against a plain loop: which negatives, what loss; two ranks together draw what one does, with its loss, and
so do micro-batches of one contrastive batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from mcg.model.mcg import MCG
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import MatchingConfig, ObjectivesConfig
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


def _drawn(states: States, seed: int, compat: Any = "corrected") -> torch.Tensor:
    """Numbers (2, B) of the negatives that a seed gives: texts for videos, videos for texts."""
    states.seed = seed
    return torch.stack(Matching(MatchingConfig(), compat)._negatives(states))


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
    patterns = [((_drawn(states, seed, "released") - torch.arange(3)) % 3 - 1).flatten() for seed in range(6400)]
    counts = torch.bincount(torch.stack(patterns) @ 2 ** torch.arange(6), minlength=64)
    assert ((counts - 100) ** 2 / 100).sum() < 103.4  # of chi-square with 63 degrees of freedom, 1 in 1000 is above


def test_a_sample_with_the_same_text_is_no_negative_but_as_released() -> None:
    """Also where the text is padded to another length."""
    text = torch.tensor([0, 1, 0, 2])
    inputs = {**INPUTS, "text_ids": INPUTS["text_ids"][text], "text_mask": INPUTS["text_mask"][text]}
    states = States(make_model(matching_head=True).eval(), inputs, False)
    drawn = torch.stack([_drawn(states, seed) for seed in range(200)])
    assert not (text[drawn] == text).any() and {1, 3} == set(drawn[:, :, 0].flatten().tolist())
    released = torch.stack([_drawn(states, seed, "released") for seed in range(200)])
    assert (released[:, :, 0] == 2).any()
    one = {
        **INPUTS,
        "text_ids": INPUTS["text_ids"][:1].expand(4, -1),
        "text_mask": INPUTS["text_mask"][:1].expand(4, -1),
    }
    same = States(make_model(matching_head=True).eval(), one, False)
    assert (_drawn(same, 0) == -1).all()
    own = functional.cross_entropy(same.model.match_logits(same.fused), torch.ones(4, dtype=torch.int64))
    torch.testing.assert_close(Matching(MatchingConfig())(same), own)


def test_draws_come_from_the_seed_alone() -> None:
    states = States(make_model(matching_head=True).eval(), INPUTS, False)
    draws = []
    for first in (1, 1, 100):
        torch.rand(1)
        draws.append(torch.stack([_drawn(states, first + more) for more in range(20)]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_a_batch_of_one_has_no_negatives(compat: Any) -> None:
    states = States(make_model(matching_head=True).eval(), {n: a[:1] for n, a in INPUTS.items()}, False)
    with pytest.raises(
        ValueError, match=r"matching needs a global batch of two samples or more; raise data\.train\.batch_size"
    ):
        Matching(MatchingConfig(), compat)(states)


def _in_parts(model: MCG, sizes: Sequence[int], **fields: Any) -> tuple[Tensor, list[Tensor], dict[str, Tensor]]:
    """Of the batch in micro-batches: mean loss, drawn numbers and gradients."""
    bundle = Bundle(model, ObjectivesConfig.model_validate({"matching": fields}).build())
    bundle.zero_grad()
    parts = {name: array.split(list(sizes)) for name, array in INPUTS.items()}
    batches = [{name: arrays[i] for name, arrays in parts.items()} for i in range(len(sizes))]
    lengths = [int(batch["text_mask"].sum(1).max()) for batch in batches]
    for batch, length in zip(batches, lengths, strict=True):  # as a loader pads them
        batch |= {name: batch[name][:, :length] for name in ("text_ids", "text_mask")}
    micro_batches: list[Any] = [None]
    if len(sizes) > 1:
        with torch.no_grad():
            features = [bundle(batch, 5, only_features=True) for batch in batches]
        micro_batches = bundle.over_pairs(features, [{n: a.numpy() for n, a in b.items()} for b in batches], seed=5)
    losses, drawn = [], []
    for batch, micro_batch in zip(batches, micro_batches, strict=True):
        losses.append(bundle(batch, 5 + len(losses), known=micro_batch)["total"] / len(batches))
        losses[-1].backward()
        states = States(model, batch, False, seed=5)
        states.micro_batch = micro_batch
        drawn += bundle.objectives["matching"]._negatives(states)
    gradients = {n: p.grad.clone() for n, p in bundle.named_parameters() if p.grad is not None}
    return torch.stack(losses).sum().detach(), drawn, gradients


@pytest.mark.parametrize("negatives", ["hardest", "sampled"])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_micro_batches_take_the_negatives_of_one_batch_with_its_loss_and_gradient(
    negatives: str, size: int, checkpointing: bool
) -> None:
    model = make_model(matching_head=True)
    fields = {"negatives": negatives, "negatives_from": "contrastive_batch"}
    loss, drawn, gradients = _in_parts(model, [4], **fields)
    model.checkpoint_activations(checkpointing)
    found_loss, found_drawn, found = _in_parts(model, [size] * (4 // size), **fields)
    for side in (0, 1):
        assert torch.equal(torch.cat(found_drawn[side::2]), drawn[side])
    torch.testing.assert_close(found_loss, loss)
    assert set(found) == set(gradients) and len(found) > 40
    for name, gradient in gradients.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_of_one_batch_both_settings_are_the_same() -> None:
    model = make_model(matching_head=True)
    loss, drawn, _ = _in_parts(model, [4], negatives_from="loader_batch")
    other, others_drawn, _ = _in_parts(model, [4], negatives_from="contrastive_batch")
    assert torch.equal(loss, other) and torch.equal(torch.stack(drawn), torch.stack(others_drawn))


def test_by_default_a_micro_batch_takes_its_own_negatives() -> None:
    _, drawn, _ = _in_parts(make_model(matching_head=True), [2, 2])
    assert torch.equal(torch.stack(drawn), torch.tensor([[1, 0]] * 4))


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
