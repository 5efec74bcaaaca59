"""Keys are known whatever wrapper has put its name before them."""

from __future__ import annotations

import pytest
import torch

from mcg.convert.convert import convert, detect
from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError, Rule, plain_key
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import build

LAYOUTS = {
    "alpro": draw(layouts.alpro_qa(SMALL, classes=7)),
    "bert": draw(layouts.hugging_face_bert(SMALL)),
}
PREFIXES = ["module.", "model.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.model.", "_forward_module."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_prefix_changes_nothing_but_the_names_in_the_account(tmp_path: object, layout: str, prefix: str) -> None:
    state = LAYOUTS[layout]
    torch.save({"model": {f"{prefix}{key}": tensor for key, tensor in state.items()}}, f"{tmp_path}/a.pth")
    torch.save({"model": state}, f"{tmp_path}/plain.pth")
    made, plain = (read_checkpoint(f"{tmp_path}/{name}.pth") for name in ("a", "plain"))
    family = detect(made)
    assert family is detect(plain)
    ours, expected = (convert(released.state, family, build) for released in (made, plain))
    assert ours.state.keys() == expected.state.keys() and ours.counts() == expected.counts()
    assert all(torch.equal(ours.state[name], expected.state[name]) for name in ours.state)
    assert {entry.key for entry in ours.entries if entry.status in ("used", "dropped")} == set(made.state)


@pytest.mark.parametrize(
    ("key", "plain"),
    [
        ("visual_encoder.model.blocks.0.norm1.weight", "visual_encoder.model.blocks.0.norm1.weight"),
        ("visual_encoder._orig_mod.model.x", "visual_encoder.model.x"),
        ("encoder.layer.3._checkpoint_wrapped_module.output", "encoder.layer.3.output"),
        ("modules.x", "modules.x"),
        ("module.modules.x", "modules.x"),
    ],
)
def test_only_wrappers_are_taken_off(key: str, plain: str) -> None:
    assert plain_key(key) == plain


def test_a_rule_cuts_rows_into_parts_by_the_order_of_its_names_and_turns_a_matrix() -> None:
    rows = torch.arange(12.0).view(6, 2)
    cut = Rule(r"(.)\.qkv", (r"\1.q", r"\1.k", r"\1.v"), form="cut").weights("module.a.qkv", rows)
    assert {name: part.tolist() for name, part in cut.items()} == {
        f"a.{name}": rows[2 * place : 2 * place + 2].tolist() for place, name in enumerate("qkv")
    }
    turned = Rule("proj", ("a", "b"), form="transposed").weights("proj", rows)
    assert list(turned) == ["a", "b"] and all(torch.equal(part, rows.T) for part in turned.values())
    assert Rule("proj", ("a",)).weights("proj", rows)["a"] is rows
    assert Rule("proj", reason="unused", form="cut").weights("proj", rows) == {}


@pytest.mark.parametrize("tensor", [torch.zeros(()), torch.zeros(4, 2)])
def test_rows_that_cannot_be_cut_evenly_are_refused_with_their_key(tensor: torch.Tensor) -> None:
    with pytest.raises(ConvertError, match=r"qkv: shape \(.*\), expected rows that can be cut into 3 equal parts"):
        Rule("qkv", ("q", "k", "v"), form="cut").weights("qkv", tensor)


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2)])
def test_only_a_matrix_is_turned(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConvertError, match=r"proj: shape \(.*\), expected a matrix"):
        Rule("proj", ("a",), form="transposed").weights("proj", torch.zeros(shape))
