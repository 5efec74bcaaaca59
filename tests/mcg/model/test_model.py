"""A verb that a model does not have raises an error that names the setting, or says that there is none."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mcg.model.mcg import MCG
from mcg.model.model import Model
from tests.mcg.small_lavender import make_lavender
from tests.mcg.small_model import VOCABULARY, make_model, model_config, text_config

VERBS = sorted(name for name, verb in vars(Model).items() if inspect.isfunction(verb) and name[0] != "_")


def _call(model: Model, name: str) -> Any:
    verb = getattr(model, name)
    return verb(*[None for p in inspect.signature(verb).parameters.values() if p.default is inspect.Parameter.empty])


@pytest.mark.parametrize("name", [name for name in VERBS if name != "without"])
def test_a_verb_that_an_assembly_does_not_give_says_so(name: str) -> None:
    message = (
        r"Model does not implement|this model has no .*(; set model\.|, and no setting of model\.name 'mcg' adds it)"
    )
    with pytest.raises(ValueError, match=message):
        _call(Model(model_config()), name)


def test_the_temperature_is_a_verb_too() -> None:
    with pytest.raises(ValueError, match="temperature"):
        _ = Model(model_config()).temperature


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("token_logits", {"text": text_config(token_head="none")}),
        ("decode", {"text": text_config(num_decoder_layers=0)}),
        ("generate", {"text": text_config(num_decoder_layers=0)}),
        ("frame_logits", {}),
        ("match_logits", {}),
        ("classify", {}),
    ],
)
def test_what_a_config_says_is_missing_raises_in_the_model(name: str, parts: dict[str, Any]) -> None:
    model = make_model(**parts)
    missing = model.config.missing(name)
    assert missing is not None
    with pytest.raises(ValueError) as caught:
        _call(model, name)
    assert str(caught.value) == missing


def test_what_a_config_provides_is_there() -> None:
    config = model_config(matching_head=True, num_entities=6, num_classes=5)
    assert all(config.missing(name) is None for name in config.provides())
    assert set(config.provides()) - {"attention"} <= set(VERBS)
    assert isinstance(config.build(SimpleNamespace(size=VOCABULARY)), MCG)


def test_an_option_that_mcg_does_not_have_is_refused() -> None:
    model, frames = make_model(), torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match="no mask of frames, and no setting"):
        model.encode_video(frames, torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="no encoder of features, and no setting"):
        model.encode_video(torch.zeros(1, 7, 512))
    ids = torch.ones(1, 3, dtype=torch.int64)
    with pytest.raises(ValueError, match="no causal fusion, and no setting"):
        model.fuse(model.encode_text(ids, ids.bool()), model.encode_video(frames), causal=True)


@pytest.mark.parametrize("make", [make_model, make_lavender], ids=["mcg", "lavender"])
def test_an_assembly_has_no_weights_of_its_own(make: Callable[[], Model]) -> None:
    """ZeRO 3 gathers the weights of a module when it is called, and an assembly is not; a scalar is kept whole."""
    assert [name for name, weight in make().named_parameters(recurse=False) if weight.numel() > 1] == []
