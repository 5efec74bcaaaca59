"""Matching with texts of the batch against a plain loop; draws; texts of one video; two ranks as one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from mcg.objectives.batch_matching import BatchMatching
from mcg.objectives.config import BatchMatchingConfig
from mcg.objectives.states import States
from mcg.text.masked_words import MaskedWords
from tests.mcg import small_model
from tests.mcg.small_lavender import make_inputs, make_lavender

TEXTS = MaskedWords()
INPUTS = make_inputs(TEXTS)
ALL = BatchMatchingConfig(texts_per_video=None)


def _alone(states: States, video: int, text: int, name: str = "text") -> torch.Tensor:
    """What the model says of one pair, (1, K)."""
    model, row = states.model, slice(text, text + 1)
    encoded = model.encode_text(states[f"{name}_ids"][row], states[f"{name}_mask"][row].bool())
    return model.match_words(model.fuse(encoded, model.encode_video(states["frames"][video : video + 1])))[0]


def test_the_loss_of_all_pairs_is_that_of_each() -> None:
    states = States(make_lavender(), INPUTS, False)
    words = (TEXTS.false_id, TEXTS.true_id)
    losses = [
        functional.cross_entropy(_alone(states, v, t), torch.tensor([words[v == t]]))
        for v in range(4)
        for t in range(4)
    ]
    torch.testing.assert_close(BatchMatching(ALL)(states), torch.stack(losses).mean())


def test_a_text_of_the_same_video_fits() -> None:
    states = States(make_lavender(), {**INPUTS, "video_key": torch.tensor([[7], [8], [7], [9]])}, False)
    told = BatchMatching(ALL)(states)
    truth = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
    words = torch.where(truth.flatten() > 0, TEXTS.true_id, TEXTS.false_id)
    logits = torch.cat([_alone(states, v, t) for v in range(4) for t in range(4)])
    torch.testing.assert_close(told, functional.cross_entropy(logits, words))


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_a_text_that_says_the_same_fits_but_as_released(compat: Any) -> None:
    same = torch.tensor([0, 1, 0, 3])
    states = States(make_lavender(), {**INPUTS, **{n: INPUTS[n][same] for n in ("text_ids", "text_mask")}}, False)
    told = BatchMatching(ALL, compat)(states)
    truth = torch.eye(4) if compat == "released" else (same[:, None] == same).float()
    words = torch.where(truth.flatten() > 0, TEXTS.true_id, TEXTS.false_id)
    logits = torch.cat([_alone(states, v, t) for v in range(4) for t in range(4)])
    torch.testing.assert_close(told, functional.cross_entropy(logits, words))


def test_the_masked_texts_can_be_matched_as_released() -> None:
    states = States(make_lavender(), INPUTS, False)
    objective = BatchMatching(BatchMatchingConfig(texts_per_video=2, text="masked"))
    chosen = objective._texts_of_videos(states.seed, 4)
    losses = [
        functional.cross_entropy(_alone(states, v, int(t), "masked"), torch.tensor([word]))
        for v in range(4)
        for t, word in zip(chosen[v], (TEXTS.true_id, TEXTS.false_id), strict=True)
    ]
    torch.testing.assert_close(objective(states), torch.stack(losses).mean())


def test_drawn_texts_are_the_own_one_and_others_each_once() -> None:
    objective = BatchMatching(BatchMatchingConfig(texts_per_video=3))
    counts = torch.zeros(5, 5)
    for seed in range(2000):
        chosen = objective._texts_of_videos(seed, 5)
        assert torch.equal(chosen[:, 0], torch.arange(5)) and all(len(set(row)) == 3 for row in chosen.tolist())
        counts += functional.one_hot(chosen, 5).sum(1)
    shares = counts[~torch.eye(5, dtype=torch.bool)] / 2000
    assert (shares - 0.5).abs().max() < 0.05  # two of the four others


def test_of_a_small_batch_all_are_taken_and_of_one_sample_none_can_be() -> None:
    objective = BatchMatching(BatchMatchingConfig(texts_per_video=8))
    assert objective._texts_of_videos(0, 3).sort(1).values.tolist() == [[0, 1, 2]] * 3
    with pytest.raises(ValueError, match=r"batch_matching needs a global batch of two samples.*data\.\*\.batch_size"):
        objective._texts_of_videos(0, 1)


def test_a_head_of_two_classes_serves_as_well() -> None:
    model = small_model.make_model(matching_head=True).eval()
    states = States(model, small_model.make_inputs(), False)
    logits = torch.cat([_alone(states, v, t) for v in range(4) for t in range(4)])
    expected = functional.cross_entropy(logits, torch.eye(4, dtype=torch.int64).flatten())
    torch.testing.assert_close(BatchMatching(ALL)(states), expected)


def test_two_ranks_have_the_loss_and_gradient_of_one_process(two_ranks: Path) -> None:
    one, ranks = load_file(two_ranks / "one.safetensors"), [load_file(two_ranks / f"{r}.safetensors") for r in (0, 1)]
    names = [name for name in one if name.startswith("batch_matching")]
    assert len(names) > 40
    for name in names:
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("heads", ["words", "task"])
def test_the_texts_of_a_video_may_compete_and_others_of_it_are_left_out(heads: str) -> None:
    model = make_lavender(heads=heads)
    states = States(model, {**INPUTS, "video_key": torch.tensor([[7], [8], [7], [9]])}, False)
    losses = []
    for v in range(4):
        texts = [v, *(t for t in range(4) if t != v and {v, t} != {0, 2})]
        pairs = [_alone(states, v, t) for t in texts]
        no, yes = (0, 1) if heads == "task" else (TEXTS.false_id, TEXTS.true_id)
        scores = torch.cat([pair[:, yes] - pair[:, no] for pair in pairs])
        losses.append(functional.cross_entropy(scores[None] / 0.2, torch.tensor([0])))
    config = BatchMatchingConfig(texts_per_video=None, loss="softmax", temperature=0.2)
    torch.testing.assert_close(BatchMatching(config)(states), torch.stack(losses).mean())
