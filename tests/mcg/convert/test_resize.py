"""Weights of another size: the stated rules, and everything else refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mcg.convert.families.mcg_model import MCG_MODEL
from mcg.convert.resize import fit
from mcg.convert.rules import ConvertError


def _fit(name: str, tensor: Tensor, shape: tuple[int, ...]) -> tuple[Tensor, str]:
    return fit(name, tensor, shape, MCG_MODEL.resizes)


def test_times_are_the_nearest() -> None:
    times = torch.arange(4.0).view(1, 4, 1).expand(1, 4, 3)
    made, note = _fit("vision.time_embed", times, (1, 8, 3))
    assert made[0, :, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and note == "4 frames to 8, nearest"
    assert _fit("vision.time_embed", times, (1, 2, 3))[0][0, :, 0].tolist() == [0, 2]


def test_places_of_patches_may_be_a_table() -> None:
    resizes = ((r"places", "patches"),)
    places = torch.randn(17, 3)
    expected, note = _fit("vision.pos_embed", places[None], (1, 5, 3))
    made, same = fit("places", places, (5, 3), resizes)
    assert same == note and torch.equal(made, expected[0])
    for wrong in (torch.zeros(0, 3), torch.zeros(17, 2), torch.zeros(16, 3), torch.zeros(1, 17, 3)):
        with pytest.raises(ConvertError, match=r"places: \(.+\) there, \(5, 3\) here"):
            fit("places", wrong, (5, 3), resizes)


def test_places_of_patches_are_resized_over_the_picture_and_cls_is_kept() -> None:
    rows = torch.arange(4.0).view(4, 1).expand(4, 4)  # the value is the row
    places = torch.cat([torch.full((1, 1, 2), 9.0), rows.reshape(1, 16, 1).expand(1, 16, 2)], 1)
    made, note = _fit("vision.pos_embed", places, (1, 65, 2))
    assert note == "4 x 4 patches to 8 x 8, bicubic" and (made[0, 0] == 9).all()
    grid = made[0, 1:, 0].view(8, 8)
    torch.testing.assert_close(grid, grid[:, :1].expand(8, 8))
    assert (grid[1:, 0] > grid[:-1, 0]).all()


@pytest.mark.parametrize("end", ["word_embeddings.weight", "predictions.decoder.weight", "predictions.bias"])
def test_the_vocabulary_gains_and_loses_the_rows_of_dec_and_enc(end: str) -> None:
    name, shape = f"text.{end}", (1,) * (0 if end.endswith("bias") else 1)
    words = torch.randn(30522, *shape)
    more, note = _fit(name, words, (30524, *shape))
    assert note == "[DEC] and [ENC] as copies of [CLS]"
    assert torch.equal(more[:30522], words) and torch.equal(more[30522:], words[[101, 101]])
    fewer, note = _fit(name, more, (30522, *shape))
    assert torch.equal(fewer, words) and note == "without the rows of [DEC] and [ENC]"


def test_positions_of_text_are_the_first_and_types_the_first() -> None:
    table = torch.randn(6, 2)
    assert torch.equal(_fit("text.bert.embeddings.position_embeddings.weight", table, (4, 2))[0], table[:4])
    assert torch.equal(_fit("text.bert.embeddings.token_type_embeddings.weight", table, (1, 2))[0], table[:1])
    assert _fit("temp", torch.tensor(0.07), (1,))[0].tolist() == pytest.approx([0.07])
    assert _fit("norm", table, (6, 2)) == (table, "")


@pytest.mark.parametrize(
    ("name", "found", "shape", "message"),
    [
        (
            "a.word_embeddings.weight",
            (28996, 4),
            (30524, 4),
            r"vocabulary of 28996 entries there, 30524 here: .* ano",
        ),
        ("a.word_embeddings.weight", (30522, 8), (30524, 4), r"\(30522, 8\) there, \(30524, 4\) here; set model"),
        ("a.position_embeddings.weight", (4, 2), (6, 2), r"4 positions there, model\.text\.max_positions is 6; lower"),
        ("vision.pos_embed", (1, 6, 2), (1, 5, 2), r"\(1, 6, 2\) there, \(1, 5, 2\) here"),
        ("vision.pos_embed", (1, 5), (1, 5, 2), r"\(1, 5\) there"),
        (
            "vision.norm.weight",
            (8,),
            (4,),
            r"vision\.norm\.weight: \(8,\) there, \(4,\) here; set model",
        ),
    ],
)
def test_what_does_not_fit_is_named(name: str, found: tuple[int, ...], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ConvertError, match=message):
        _fit(name, torch.zeros(found), shape)
