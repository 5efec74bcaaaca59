"""Entity prompting: labels of a frozen prompter, the head's loss, and a prompter that training never touches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from mcg.model.parts.prompter import Prompter
from mcg.objectives import entity_prompting
from mcg.objectives.config import ContrastiveConfig, EntityPromptingConfig
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.objectives.over_pairs.contrastive import Contrastive
from mcg.objectives.prompting.regions import draw_boxes, inside
from mcg.objectives.states import States
from tests.forked import run_ranks
from tests.mcg.objectives.prompter_ranks import NOUNS, run_rank, steps_with_prompter, write_prompter
from tests.mcg.small_model import make_inputs, make_model

SAVED = ("model", "state/rank-00000")


def make_states(num_samples: int = 4, seed: int = 5, **inputs: Tensor) -> States:
    model = make_model(num_entities=len(NOUNS))
    return States(model, make_inputs(num_samples) | inputs, with_attention=False, seed=seed)


def make_objective(compat: Any = "corrected", **fields: Any) -> EntityPrompting:
    settings = {"prompter": "p", "entities": "e", "num_entities": len(NOUNS), "min_confidence": 0.0}
    objective = EntityPrompting(EntityPromptingConfig.model_validate(settings | fields), compat)
    features = torch.randn(2, len(NOUNS), 8, generator=torch.Generator().manual_seed(0))
    objective.teach_with(Prompter(make_model(seed=1), features[0], features[1]))
    return objective


def test_the_loss_is_the_cross_entropy_of_the_region_with_the_prompters_labels() -> None:
    states, objective = make_states(), make_objective()
    grid = 2
    boxes = inside(draw_boxes(states.seed, np.arange(4), 32, 16), grid)
    prompter, total = objective._prompter[0], torch.zeros(())
    for number, box in enumerate(boxes):
        shown = torch.zeros_like(states["frames"][number])
        for row, column in zip(*np.nonzero(box), strict=True):
            place = (slice(None), slice(16 * row, 16 * row + 16), slice(16 * column, 16 * column + 16))
            shown[place] = states["frames"][number][place]
        label = prompter.label(shown[None], torch.tensor([False]))[0]
        patches = states.fused.video_BVD[number, 1:][torch.from_numpy(box.reshape(-1))].mean(0)
        logits = states.model.entity_logits(patches[None])[0]
        total = total - (label * functional.log_softmax(logits, -1)).sum()
    assert torch.allclose(objective(states), total / 4, rtol=1e-5)
    assert states.told["entity_prompting_kept"] == 1


def test_only_confident_samples_count_and_their_share_is_told() -> None:
    states, objective = make_states(), make_objective()
    best = objective._labels(states, states["frames"], objective._regions(states, torch.Size([4, 4]))).amax(1)
    middle = float(best.sort().values[1:3].mean())
    some = make_objective(min_confidence=middle)
    loss = some(states)
    assert states.told["entity_prompting_kept"] == 0.5 and loss > 0
    none = make_objective(min_confidence=0.999)
    assert none(states) == 0 and states.told["entity_prompting_kept"] == 0


def test_as_released_the_number_of_the_best_entity_is_compared() -> None:
    states, objective = make_states(), make_objective("released", min_confidence=0.2)
    labels = objective._labels(states, states["frames"], objective._regions(states, torch.Size([4, 4])))
    objective(states)
    assert states.told["entity_prompting_kept"] == (labels.argmax(1) > 0).float().mean()


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_where_no_sample_counts_the_loss_is_0_and_its_gradient_too(compat: Any) -> None:
    objective, states = make_objective(compat, min_confidence=0.9), make_states()
    alike = torch.ones(len(NOUNS), 8)  # every entity as likely as the others, so that the best is the first
    objective.teach_with(Prompter(make_model(seed=1), alike, alike))
    loss = objective(states)
    loss.backward()
    assert loss == 0 and states.told["entity_prompting_kept"] == 0
    assert all(p.grad is None or bool((p.grad == 0).all()) for p in states.model.parameters())


@pytest.mark.parametrize("compat", ["corrected", "released"])
def test_no_clip_without_the_region_is_made_and_no_box_without_entity_prompting(
    compat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(entity_prompting, "draw_boxes", lambda *given: drawn.append(1) or draw_boxes(*given))
    states, objective = make_states(), make_objective(compat)
    seen: list[int] = []
    for model in (states.model, objective._prompter[0].model):
        encode = model.encode_video
        monkeypatch.setattr(
            model, "encode_video", lambda f, encode=encode, **kw: (seen.append(len(f)), encode(f, **kw))[1]
        )
    Contrastive(ContrastiveConfig(), compat)(states)
    assert (len(drawn), seen) == (0, [4])
    objective(states)
    assert (len(drawn), seen) == (1, [4, 4])  # the clips once, and their regions once


def test_pictures_are_compared_with_the_prompts_for_pictures() -> None:
    objective, states = make_objective(), make_states()
    mixed = make_states(is_image=torch.tensor([[0], [1], [0], [1]]))
    regions = objective._regions(states, torch.Size([4, 4]))
    video, both = (objective._labels(one, states["frames"], regions) for one in (states, mixed))
    assert torch.equal(video[[0, 2]], both[[0, 2]]) and not torch.allclose(video[[1, 3]], both[[1, 3]])


def test_the_prompter_is_no_part_of_what_is_trained() -> None:
    objective = make_objective()
    assert list(objective.parameters()) == [] and list(objective.buffers()) == []
    before = {name: value.clone() for name, value in objective._prompter[0].model.state_dict().items()}
    states = make_states()
    objective(states).backward()
    assert states.model.entity_head is not None and states.model.entity_head[0].weight.grad is not None
    assert all(parameter.grad is None for parameter in objective._prompter[0].model.parameters())
    after = objective._prompter[0].model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_an_objective_that_is_not_prepared_says_so() -> None:
    settings = {"prompter": "p", "entities": "e", "num_entities": len(NOUNS)}
    with pytest.raises(ValueError, match="has no prompter yet"):
        EntityPrompting(EntityPromptingConfig.model_validate(settings))(make_states())


def test_a_head_of_another_size_is_refused_with_both_settings() -> None:
    states = States(make_model(num_entities=7), make_inputs(), with_attention=False)
    with pytest.raises(ValueError, match=r"num_entities is 5, and model\.num_entities is 7; set both to the same"):
        make_objective()(states)


def _check_that_it_is_left_alone(found: dict[str, Any], world: int) -> None:
    assert found["loss"] > 0 and found["weights moved"] and found["of the prompter"] > 0
    assert found["of the prompter in groups"] == found["with a gradient"] == 0
    assert found["in groups"] == found["trained"]
    assert found["trained"] <= world * found["in partitions"] < found["trained"] + 100, "but for the padding"
    assert found["before"] == found["after"]


def test_the_engine_has_no_part_of_the_prompter_and_checkpoints_do_not_hold_it(
    tmp_path: Path, device: torch.device
) -> None:
    write_prompter(tmp_path)
    found = steps_with_prompter(tmp_path, device)
    _check_that_it_is_left_alone(found, world=1)
    stored = found["stored"]
    once = {name: stored.pop(name) for name in ("prompter/model/model.safetensors", "prompter/prompts.safetensors")}
    assert any("vision.blocks.2" in name for name in once["prompter/model/model.safetensors"])
    for step in (1, 2):
        model, state = (stored.pop(f"checkpoints/step-00000{step}/{name}.safetensors") for name in SAVED)
        assert sum(model.values()) == found["trained"]
        assert sum(state.values()) == 3 * found["trained"], "weights and two moments"
        assert not any("vision.blocks.2" in name for name in (*model, *state)), "the model has two blocks"
    assert stored == {}


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_ranks_partition_and_exchange_nothing_of_the_prompter(tmp_path: Path) -> None:
    write_prompter(tmp_path)
    run_ranks(run_rank, (str(tmp_path),), 2)
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        _check_that_it_is_left_alone(found, world=2)
        for size in found["exchanged"]:  # no gradient of the decoder, and a few numbers besides gradients
            assert found["trained"] / 2 < size < found["trained"] + 1000 < found["of the prompter"]


class _Crossings(TorchDispatchMode):
    """Notes the shape of every tensor that goes from the CPU to a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = [value for value in args if isinstance(value, Tensor) and value.device.type == "cpu" and value.ndim]
        if given and isinstance(made, Tensor) and made.device.type == "cuda":
            self.shapes.append(tuple(made.shape))
        return made


def test_after_the_first_step_nothing_but_the_regions_crosses_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of fake tensors, which have no values."""
    monkeypatch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
    model, objective = make_model(num_entities=len(NOUNS)), make_objective()
    crossed = []
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to("cuda")
        inputs = {name: tensor.to("cuda") for name, tensor in make_inputs().items()}
        for _ in range(3):
            with _Crossings() as crossings:
                assert objective(States(model, inputs, with_attention=False)).device.type == "cuda"
            crossed.append(crossings.shapes)
    assert (4, 4) in crossed[0] and tuple(inputs["frames"].shape) not in crossed[0]
    assert len(crossed[0]) > 50, "the weights of the prompter and the features of its prompts"
    assert crossed[1] == crossed[2] == [(4, 4)], "of 4 clips the patches that are inside"
