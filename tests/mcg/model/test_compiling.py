"""Compiled blocks give the model's losses and gradients, and are compiled anew for no length of text."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters
from torch.nn import functional

from mcg.model.mcg import MCG
from mcg.model.states import GenerationPlan
from mcg.objectives.bundle import Bundle
from mcg.objectives.config import ObjectivesConfig
from tests.mcg.small_model import DEC, SEP, make_inputs, make_model, vision_config

_OBJECTIVES = {"contrastive": {}, "token_contrast": {}, "masked_lm": {}, "matching": {}, "generation": {}}


def _padded(inputs: dict[str, Tensor], more: int) -> dict[str, Tensor]:
    """Texts with so many columns of padding in addition."""
    wider = {name: functional.pad(array, (0, more)) for name, array in inputs.items() if array.ndim == 2}
    labels = functional.pad(inputs["masked_labels"], (0, more), value=-100)
    return {**inputs, **wider, "masked_labels": labels}


def _steps(model: MCG, lengths: list[int]) -> tuple[list[float], list[int], dict[str, Tensor]]:
    """Losses, graphs compiled so far, and the gradient of the last step."""
    bundle = Bundle(model, ObjectivesConfig.model_validate(_OBJECTIVES).build()).train()
    losses, graphs = [], []
    for seed, more in enumerate(lengths):
        bundle.zero_grad()
        total = bundle(_padded(make_inputs(seed=seed), more), seed)["total"]
        total.backward()
        losses.append(float(total.detach()))
        graphs.append(counters["stats"]["unique_graphs"])
    gradient = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return losses, graphs, gradient


@pytest.mark.long
@pytest.mark.timeout(900)
def test_compiled_blocks_train_alike_without_being_compiled_again() -> None:
    lengths = [0, 3, 0, 5, 1, 8, 2]
    vision = vision_config(drop_path=0.0, depth=3)
    plain = make_model(matching_head=True, vision=vision)
    compiled = make_model(matching_head=True, vision=vision)
    for model in (plain, compiled):
        model.checkpoint_activations(True)
    compiled.compile_blocks()
    assert list(compiled.state_dict()) == list(plain.state_dict())
    torch._dynamo.reset()
    counters.clear()
    wanted, _, of_plain = _steps(plain, lengths)
    found, graphs, of_compiled = _steps(compiled, lengths)
    assert found == pytest.approx(wanted, rel=1e-5)
    for name, gradient in of_plain.items():
        torch.testing.assert_close(of_compiled[name], gradient, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    assert 0 < graphs[2] == graphs[-1]

    inputs = make_inputs()
    mask = inputs["text_mask"].bool()
    plan = GenerationPlan(DEC, SEP, 0, num_beams=2, max_tokens=6)
    answers = []
    for model in (plain.eval(), compiled.eval()):
        memory = model.fuse(model.encode_text(inputs["text_ids"], mask), model.encode_video(inputs["frames"]))
        answers.append(model.generate(memory, plan).ids_BA)
    assert torch.equal(*answers)
