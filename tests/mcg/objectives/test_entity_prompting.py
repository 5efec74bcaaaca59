"""Entity prompting: labels of a frozen prompter, the head's loss, and a prompter that training never touches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mcg.model.prompter import Prompter
from mcg.objectives import entity_prompting
from mcg.objectives.config import ContrastiveConfig, EntityPromptingConfig
from mcg.objectives.entity_prompting import EntityPrompting
from mcg.objectives.over_pairs.contrastive import Contrastive
from mcg.objectives.regions import draw_boxes, inside
from mcg.objectives.states import States
from shards.media import ClipConfig
from tests.mcg.small_model import make_inputs, make_model

NOUNS = ("dog", "cat", "guitar", "tree", "city")
CPU = torch.device("cpu")
CLIP = ClipConfig(num_frames=2, size=32)


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
