"""States are computed once, only when asked for, and say what is missing."""

from __future__ import annotations

import pytest

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
    _ = (states.video, states.fused, states.text_features, states.fused, states.contrastive_text)
    assert passes == {"video": 1, "text": 1}


def test_a_pass_of_an_objective_is_shared_by_its_name() -> None:
    states, made = States(make_model(), INPUTS, False), []

    def make() -> list[int]:
        made.append(1)
        return made

    assert states.once("mine", make) is states.once("mine", make) and made == [1]
    States(make_model(), INPUTS, False).once("mine", make)
    assert made == [1, 1]


def test_attention_is_computed_where_it_is_asked_for() -> None:
    states = States(make_model(), INPUTS, with_attention=True)
    assert states.text.attention_BL is not None and states.video.attention_BTP is not None
    assert States(make_model(), INPUTS, with_attention=False).video.attention_BTP is None


def test_a_missing_array_is_named_with_those_that_are_there() -> None:
    states = States(make_model(), {"frames": INPUTS["frames"], "text_ids": INPUTS["text_ids"]}, False)
    message = (
        r"an objective needs the array 'text_mask', the task gives \['frames', 'text_ids'\]; use an objective that"
    )
    with pytest.raises(ValueError, match=message):
        _ = states.text
