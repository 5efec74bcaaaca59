"""Features of prompts, and what a prompter says of a clip."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from mcg.model.parts.prompter import IMAGE_TEMPLATES, VIDEO_TEMPLATES, Prompter, check_prompts, prompt_features
from tests.mcg.small_model import TEXTS, make_model

CPU = torch.device("cpu")


def test_the_templates_are_those_of_the_release() -> None:
    assert len(VIDEO_TEMPLATES) == len(IMAGE_TEMPLATES) == 12
    assert VIDEO_TEMPLATES[0].format("dog") == "A footage of a dog."
    assert VIDEO_TEMPLATES[-1].format("dog") == "A video footage of one dog."
    assert IMAGE_TEMPLATES[7].format("dog") == "A good photo of the dog."


def test_an_entity_is_the_mean_of_its_prompts() -> None:
    model = make_model(vocab_size=TEXTS.size)
    nouns = [f"thing{number}" for number in range(30)]  # more than pass the model at once
    found = prompt_features(model, TEXTS, nouns, VIDEO_TEMPLATES, CPU)
    for number in (0, 29):
        parts = []
        for template in VIDEO_TEMPLATES:
            coded = TEXTS.pair(template.format(nouns[number]), 15)
            ids, mask = (torch.from_numpy(coded[name])[None] for name in ("text_ids", "text_mask"))
            parts.append(model.text_features(model.encode_text(ids, mask.bool())))
        assert torch.allclose(found[number], torch.cat(parts).mean(0), atol=1e-5)
    assert (found.norm(dim=1) < 1).all()


def test_labels_are_probabilities_by_the_prompters_own_temperature() -> None:
    model = make_model(vocab_size=TEXTS.size)
    features = torch.eye(8)[:3]
    prompter = Prompter(model, features, features.flip(0))
    frames = torch.randint(0, 256, (2, 2, 32, 32, 3), dtype=torch.uint8)
    video = model.video_features(model.encode_video(frames))
    found = prompter.label(frames, torch.tensor([False, True]))
    expected = functional.softmax(torch.stack([video[0] @ features.T, video[1] @ features.flip(0).T]) / 0.07, -1)
    assert torch.allclose(found, expected, atol=1e-6) and torch.allclose(found.sum(1), torch.ones(2))
    assert not any(parameter.requires_grad for parameter in model.parameters()) and not model.training


def test_a_prompt_that_is_too_long_names_the_entity() -> None:
    with pytest.raises(ValueError, match=r"entity 2, 'hippopotomonstro.*has 21 tokens, at most 15 are taken"):
        check_prompts(TEXTS, ["dog", "hippopotomonstrosesquippedaliophobia-anti"], VIDEO_TEMPLATES)
