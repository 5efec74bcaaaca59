"""LAVENDER as a target: every weight is in a section, and embeddings of other lengths are fitted."""

from __future__ import annotations

import pytest
import torch

from mcg.convert.families.lavender_model import LAVENDER_MODEL, derive, derive_by_task
from mcg.convert.resize import fit
from mcg.convert.rules import ConvertError
from mcg.text.masked_words import MaskedWords
from tests.mcg.small_lavender import lavender_config, make_lavender


def test_every_weight_is_in_a_section() -> None:
    model = make_lavender(heads="task", num_classes={"answers": 3})
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert [name for name in names if LAVENDER_MODEL.section(name) is None] == []
    assert LAVENDER_MODEL.sign in names


def test_shapes_tell_the_sizes() -> None:
    vision = {"preset": "small", "drop_path": 0.0}
    own = lavender_config(vision=vision, text={"width": 128, "num_layers": 3, "num_heads": 2, "max_positions": 40})
    with torch.device("meta"):
        model = own.build(MaskedWords.of(own))
    found = derive({name: tuple(parameter.shape) for name, parameter in model.named_parameters()})
    for field in ("width", "depths", "num_heads", "window"):
        assert getattr(found.vision, field) == getattr(own.vision, field), field
    assert (found.text.width, found.text.num_layers, found.text.num_heads, found.text.max_positions) == (128, 3, 2, 40)
    assert (found.max_frames, found.max_patches) == (own.max_frames, own.max_patches)


def test_shapes_that_tell_no_model_are_refused() -> None:
    with pytest.raises(ConvertError, match="100 channels do not tell the number of heads; give --config"):
        derive({"text.bert.embeddings.word_embeddings.weight": (50, 100)})
    with pytest.raises(ConvertError, match="shapes that no model has"):
        derive({"text.bert.embeddings.word_embeddings.weight": (50, 128)})  # of no layer


def test_embeddings_of_frames_and_patches_are_cut_or_go_on_with_the_last() -> None:
    frames, patches = torch.randn(1, 6, 1, 4), torch.randn(1, 1, 5, 4)
    cut, note = fit("frames.frame_embed", frames, (1, 3, 1, 4), LAVENDER_MODEL.resizes)
    assert torch.equal(cut, frames[:, :3]) and note == "the first 3 of 6"
    more, note = fit("frames.patch_embed", patches, (1, 1, 7, 4), LAVENDER_MODEL.resizes)
    assert torch.equal(more[:, :, :5], patches) and torch.equal(more[:, :, 5:], patches[:, :, 4:].expand(1, 1, 2, 4))
    assert note == "the first 5 of 5, 2 copies of the last"
    with pytest.raises(ConvertError, match="frame_embed"):
        fit("frames.frame_embed", frames, (1, 3, 1, 8), LAVENDER_MODEL.resizes)


@pytest.mark.parametrize("classes", [{}, {"answers": 7}, {"msvd_qa": 9, "tgif_action": 5}])
def test_shapes_tell_the_heads_by_task(classes: dict[str, int]) -> None:
    text = {"width": 64, "num_layers": 1, "num_heads": 1}
    own = lavender_config(text=text, heads="task", num_classes=classes)
    with torch.device("meta"):
        model = own.build(MaskedWords.of(own))
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    shapes |= {"classifiers.other.3.bias": (1,)}  # the head of matching, which the release calls as any other
    found = derive_by_task(shapes)
    assert (found.heads, found.num_classes) == ("task", classes)
