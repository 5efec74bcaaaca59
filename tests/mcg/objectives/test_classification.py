"""Classification: cross-entropy of the classifier on the fused [CLS]."""

from __future__ import annotations

import torch
from torch.nn import functional

from mcg.objectives.classification import Classification, ClassificationConfig
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model


def test_the_loss_is_the_cross_entropy_of_the_classifier() -> None:
    model, inputs = make_model(num_classes=6).eval(), make_inputs()
    inputs["label"] = torch.tensor([5, 0, 3, 3])
    states = States(model, inputs, False)
    loss = Classification(ClassificationConfig())(states)
    logits = model.classifier(states.fused.states_BLD[:, 0])
    torch.testing.assert_close(loss, functional.cross_entropy(logits, inputs["label"]))
    smoothed = Classification(ClassificationConfig(label_smoothing=0.1))(states)
    torch.testing.assert_close(smoothed, functional.cross_entropy(logits, inputs["label"], label_smoothing=0.1))
    loss.backward()
    assert all(p.grad is not None for p in model.classifier.parameters())
