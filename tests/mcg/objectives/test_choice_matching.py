"""Matching of the choices of a question against a plain loop."""

from __future__ import annotations

import torch
from torch.nn import functional

from mcg.objectives.choice_matching import ChoiceMatching
from mcg.objectives.config import ChoiceMatchingConfig
from mcg.objectives.states import States
from mcg.text.masked_words import MaskedWords
from tests.mcg.answering.small_masked import tensors
from tests.mcg.small_lavender import frames, make_lavender

WORDS = MaskedWords()
CHOICES = [["a dog", "a man plays"], ["two cats", "she laughs"], ["a cup", "rain"]]
RIGHT = [1, 0, 1]


def test_the_loss_is_that_of_each_choice() -> None:
    model = make_lavender()
    options = [[WORDS.option(choice, 12) for choice in choices] for choices in CHOICES]
    inputs = {
        f"choice_{part}": torch.stack([tensors(row)[f"text_{part}"] for row in options]) for part in ("ids", "mask")
    }
    padded = functional.pad(torch.tensor(RIGHT)[:, None], (0, 3))  # as the loader pads
    states = States(model, {**inputs, "choice_right": padded, "frames": frames(3)}, False)
    losses = []
    for row, right in enumerate(RIGHT):
        video = model.encode_video(frames(3)[row : row + 1])
        for n, option in enumerate(options[row]):
            alone = tensors([option])
            fused = model.fuse(model.encode_text(alone["text_ids"], alone["text_mask"].bool()), video)
            word = WORDS.true_id if n == right else WORDS.false_id
            losses.append(functional.cross_entropy(model.match_words(fused)[0], torch.tensor([word])))
    torch.testing.assert_close(ChoiceMatching(ChoiceMatchingConfig())(states), torch.stack(losses).mean())


def test_choices_may_compete() -> None:
    model, words = make_lavender(heads="task"), MaskedWords(heads="task")
    options = [[words.option(choice, 12) for choice in choices] for choices in CHOICES]
    rows = [tensors([option for pair in options for option in pair])]
    inputs = {f"choice_{part}": rows[0][f"text_{part}"].unflatten(0, (3, 2)) for part in ("ids", "mask")}
    states = States(model, {**inputs, "choice_right": torch.tensor(RIGHT)[:, None], "frames": frames(3)}, False)
    losses = []
    for row, right in enumerate(RIGHT):
        video, scores = model.encode_video(frames(3)[row : row + 1]), []
        for option in options[row]:
            alone = tensors([option])
            fused = model.fuse(model.encode_text(alone["text_ids"], alone["text_mask"].bool()), video)
            scores.append(model.match_logits(fused)[:, 1])
        losses.append(functional.cross_entropy(torch.stack(scores, 1), torch.tensor([right])))
    loss = ChoiceMatching(ChoiceMatchingConfig(loss="softmax"))(states)
    torch.testing.assert_close(loss, torch.stack(losses).mean())
    loss.backward()
    assert model.match_head is not None
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.match_head[:3].parameters())
