"""Generation against torch's own cross-entropy over whole, padded logits."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mcg.objectives.config import GenerationConfig
from mcg.objectives.generation import Generation
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_summed_over_tokens_and_averaged_over_samples(smoothing: float) -> None:
    model, inputs = make_model().eval(), make_inputs()
    states = States(model, inputs, False)
    ids, mask = inputs["answer_ids"], inputs["answer_mask"].bool()
    memory = model.fuse(model.encode_text(inputs["prompt_ids"], inputs["prompt_mask"].bool()), states.video)
    logits = model.answer_logits(model.decode(ids, mask, memory))[:, :-1]
    targets = ids[:, 1:].masked_fill(~mask[:, 1:], -100)
    total = functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="sum", label_smoothing=smoothing
    )
    found = Generation(GenerationConfig(label_smoothing=smoothing))(states)
    torch.testing.assert_close(found, total / 4)


def test_an_answer_is_written_from_the_prompt_or_else_from_the_fused_text() -> None:
    model, inputs = make_model().eval(), make_inputs()
    question = {name: array for name, array in inputs.items() if not name.startswith("prompt")}
    losses = [Generation(GenerationConfig())(States(model, given, False)) for given in (inputs, question)]
    as_prompt = {**inputs, "prompt_ids": inputs["text_ids"], "prompt_mask": inputs["text_mask"]}
    torch.testing.assert_close(Generation(GenerationConfig())(States(model, as_prompt, False)), losses[1])
    assert (losses[0] - losses[1]).abs() > 1e-3


def test_padding_answers_changes_nothing() -> None:
    model, inputs = make_model().eval(), make_inputs()
    longer = dict(inputs)
    for name in ("answer_ids", "answer_mask"):
        longer[name] = functional.pad(inputs[name], (0, 5))
    losses = [Generation(GenerationConfig())(States(model, given, False)) for given in (inputs, longer)]
    torch.testing.assert_close(losses[0], losses[1])


def test_a_model_that_knows_the_answer_has_a_small_loss() -> None:
    model, inputs = make_model(), make_inputs()
    objective = Generation(GenerationConfig(label_smoothing=0.0))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = objective(States(model, inputs, False))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
