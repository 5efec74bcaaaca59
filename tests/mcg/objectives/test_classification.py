"""Classification: cross-entropy of the classifier on the fused [CLS]."""

from __future__ import annotations

import torch
from torch.nn import functional

from mcg.objectives.classification import Classification
from mcg.objectives.config import ClassificationConfig
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model


def test_the_loss_is_the_cross_entropy_of_the_classifier() -> None:
    model, inputs = make_model(num_classes=6).eval(), make_inputs()
    label = torch.tensor([5, 0, 3, 3])
    inputs["label"] = label
    states = States(model, inputs, False)
    loss = Classification(ClassificationConfig())(states)
    logits = model.classifier(states.fused.text_BLD[:, 0])
    torch.testing.assert_close(loss, functional.cross_entropy(logits, label))
    smoothed = Classification(ClassificationConfig(label_smoothing=0.1))(states)
    torch.testing.assert_close(smoothed, functional.cross_entropy(logits, label, label_smoothing=0.1))
    loss.backward()
    assert all(p.grad is not None for p in model.classifier.parameters())


def test_an_answer_that_is_not_in_the_list_adds_nothing() -> None:
    model, inputs = make_model(num_classes=6).eval(), make_inputs()
    losses = []
    for others in (0, -100):
        inputs["label"] = torch.tensor([5, others, others, others])
        losses.append(Classification(ClassificationConfig())(States(model, inputs, False)))
    alone = functional.cross_entropy(model.classify(States(model, inputs, False).fused)[:1], torch.tensor([5]))
    torch.testing.assert_close(losses[1], alone / 4)
    inputs["label"] = torch.full((4,), -100)
    nothing = Classification(ClassificationConfig())(States(model, inputs, False))
    nothing.backward()
    assert nothing == 0
