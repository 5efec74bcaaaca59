"""T2VLP as a target: every weight is in a section, shapes tell the sizes, and others are named."""

from __future__ import annotations

import pytest
import torch

from mcg.convert.families.t2vlp_model import T2VLP_MODEL, derive
from mcg.convert.rules import ConvertError
from mcg.model.t2vlp_config import T2vlpConfig
from tests.mcg.small_t2vlp import TEXTS, make_t2vlp, t2vlp_config


def _shapes(config: T2vlpConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        model = config.build(TEXTS)
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def test_every_weight_is_in_a_section() -> None:
    names = [name for name, _ in make_t2vlp().named_parameters(remove_duplicate=False)]
    assert [name for name in names if T2VLP_MODEL.section(name) is None] == []
    assert T2VLP_MODEL.sign in names


def test_shapes_tell_the_sizes_of_the_released_model_and_of_clip_alone() -> None:
    released = T2vlpConfig(name="t2vlp")
    assert derive(_shapes(released)) == released
    clip = T2vlpConfig.model_validate({"name": "t2vlp", "tubes": None, "fusion": None, "vision": {"patch_size": 32}})
    assert derive(_shapes(clip)) == clip
    # of the twelve blocks that the release makes for its fusion six run
    shapes = _shapes(released)
    shapes |= {name.replace("blocks.5.", "blocks.11."): shape for name, shape in shapes.items() if "fusion" in name}
    assert derive(shapes) == released


def test_shapes_that_tell_no_heads_are_refused() -> None:
    with pytest.raises(ConvertError, match="16 channels do not tell the number of heads; give --config"):
        derive(_shapes(t2vlp_config()))


@pytest.mark.parametrize(("part", "field"), [("vision", "width"), ("vision", "patch_size"), ("text", "width")])
def test_another_size_is_named_with_its_setting(part: str, field: str) -> None:
    shapes = _shapes(T2vlpConfig(name="t2vlp"))
    other = T2vlpConfig(name="t2vlp")
    section = getattr(other, part)
    changed = other.model_copy(update={part: section.model_copy(update={field: 2 * getattr(section, field)})})
    with pytest.raises(ConvertError, match=rf"model\.{part}\.{field} is {2 * getattr(section, field)}; set it to "):
        T2VLP_MODEL.compare(shapes, changed)
