"""States are computed once, only when asked for, and say what is missing."""

from __future__ import annotations

import pytest
import torch

from mcg.objectives.states import States
from tests.mcg.small_model import make_inputs, make_model

INPUTS = make_inputs()


def test_a_pass_runs_once_and_only_when_it_is_needed() -> None:
    model = make_model()
    passes = {"video": 0, "text": 0}

    def count(name: str) -> None:
        passes[name] += 1

    model.vision.register_forward_hook(lambda *_: count("video"))
    model.text.register_forward_hook(lambda *_: count("text"))
    states = States(model, INPUTS, with_attention=False)
    assert passes == {"video": 0, "text": 0}
    _ = (states.video, states.fused, states.masked_fused, states.fused, states.masked_fused)
    assert passes == {"video": 1, "text": 2}


def test_attention_is_computed_where_it_is_asked_for() -> None:
    states = States(make_model(), INPUTS, with_attention=True)
    assert states.text.cls_attention_BL is not None and states.video.cls_attention_BTP is not None
    assert States(make_model(), INPUTS, with_attention=False).video.cls_attention_BTP is None


def test_an_answer_is_written_from_the_prompt_where_there_is_one() -> None:
    model = make_model().eval()
    states = States(model, INPUTS, False)
    prompt = model.encode_text(INPUTS["prompt_ids"], INPUTS["prompt_mask"].bool())
    torch.testing.assert_close(states.answer_memory.states_BLD, model.fuse(prompt, states.video).states_BLD)
    question = {name: array for name, array in INPUTS.items() if not name.startswith("prompt")}
    states = States(model, question, False)
    assert states.answer_memory is states.fused


def test_a_missing_array_is_named_with_those_that_are_there() -> None:
    states = States(make_model(), {"frames": INPUTS["frames"], "text_ids": INPUTS["text_ids"]}, False)
    message = (
        r"an objective needs the array 'masked_ids', the task gives \['frames', 'text_ids'\]; use an objective that"
    )
    with pytest.raises(ValueError, match=message):
        _ = states.masked_fused
