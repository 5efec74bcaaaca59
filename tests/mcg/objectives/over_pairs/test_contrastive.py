"""The contrastive loss against a plain loop, and two ranks against one process."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from mcg.objectives.config import ContrastiveConfig
from mcg.objectives.over_pairs.contrastive import Contrastive, contrastive_loss
from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model


def _naive(video: Tensor, text: Tensor, temperature: float) -> float:
    rows = video.tolist()
    columns = text.tolist()

    def dot(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / temperature

    total = 0.0
    for i, (v, t) in enumerate(zip(rows, columns, strict=True)):
        total += math.log(sum(math.exp(dot(v, other)) for other in columns)) - dot(v, columns[i])
        total += math.log(sum(math.exp(dot(other, t)) for other in rows)) - dot(rows[i], t)
    return total / 2 / len(rows)


@pytest.mark.parametrize("num_samples", [1, 2, 7])
def test_the_loss_equals_a_plain_loop(num_samples: int) -> None:
    video, text = functional.normalize(torch.randn(2, num_samples, 5, generator=torch.manual_seed(0)), dim=-1)
    assert contrastive_loss(video, text, torch.tensor(0.1)).item() == pytest.approx(_naive(video, text, 0.1), abs=1e-5)


def test_the_objective_compares_the_cls_states() -> None:
    model, inputs = make_model().eval(), make_inputs()
    states = States(model, inputs, False)
    video = model.video_features(model.encode_video(inputs["frames"]))
    text = model.text_features(model.encode_text(inputs["text_ids"], inputs["text_mask"].bool()))
    found = Contrastive(ContrastiveConfig())(states)
    assert found.item() == pytest.approx(_naive(video, text, 0.07), rel=1e-4)
    found.backward()
    assert model.temp.grad is not None and model.temp.grad.abs() > 0


def test_two_ranks_have_the_loss_and_gradient_of_one_process(two_ranks: Path) -> None:
    one = load_file(two_ranks / "one.safetensors")
    ranks = [load_file(two_ranks / f"{rank}.safetensors") for rank in (0, 1)]
    names = [name for name in one if name.startswith("contrastive")]
    assert len(names) == 3
    for name in names:
        torch.testing.assert_close((ranks[0][name] + ranks[1][name]) / 2, one[name], rtol=1e-6, atol=1e-6, msg=name)
    assert (ranks[0]["contrastive"] - ranks[1]["contrastive"]).abs() > 1e-3  # each rank has rows of its own
