"""The init: section: sources one after the other, parts, and what fits nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mcg.convert.config import InitSource
from mcg.convert.init import initialise
from mcg.convert.rules import ConvertError
from mcg.model.mcg import MCG
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, Sizes, draw
from tests.mcg.convert.small_conversions import VOCABULARY, small_config


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    words = Sizes(**{**SMALL.__dict__, "words": 30524})
    torch.save(draw(layouts.vit("", SMALL, time=False), 1), folder / "vit.pth")
    torch.save(draw(layouts.hugging_face_bert(SMALL), 2), folder / "bert.bin")
    torch.save({"model": draw(layouts.blip(words), 3)}, folder / "blip.pth")
    return folder


def _source(path: Path, **fields: object) -> InitSource:
    return InitSource.model_validate({"path": str(path), **fields})


def test_sources_are_laid_over_each_other(files: Path) -> None:
    model = MCG(small_config(text={"num_decoder_layers": 2}), VOCABULARY)
    drawn = model.vision_proj.weight.clone()
    sources = [_source(files / "vit.pth"), _source(files / "bert.bin"), _source(files / "blip.pth", parts=["decoder"])]
    told = initialise(model, model.config, sources)
    assert [line.split(" weights of ")[1].split(" (")[0] for line in told] == [
        "ViT of timm",
        "BERT of Hugging Face",
        "BLIP base",
    ]
    vit, bert, blip = (torch.load(files / name) for name in ("vit.pth", "bert.bin", "blip.pth"))
    assert torch.equal(model.vision.cls_token, vit["cls_token"])
    layer = "encoder.layer.1.output.dense.weight"
    assert torch.equal(model.text.bert.get_parameter(layer), bert[f"bert.{layer}"])
    assert model.decoder is not None
    assert torch.equal(model.decoder.bert.bert.get_parameter(layer), blip["model"][f"text_decoder.bert.{layer}"])
    assert torch.equal(model.vision_proj.weight, drawn)  # no source gives it


def test_what_does_not_fit_names_the_file(files: Path) -> None:
    model = MCG(small_config(), VOCABULARY)
    with pytest.raises(ConvertError, match=r"vit\.pth: ViT of timm gives none of the parts \('decoder',\)"):
        initialise(model, model.config, [_source(files / "vit.pth", parts=["decoder"])])
    with pytest.raises(ConvertError, match=r"vit\.pth: read as BERT of Hugging Face, \d+ keys are not accounted for"):
        initialise(model, model.config, [_source(files / "vit.pth", kind="bert")])
    wider = MCG(small_config(Sizes(**{**SMALL.__dict__, "width": 128})), VOCABULARY)
    with pytest.raises(ConvertError, match=r"vit\.pth: a checkpoint of width 64, and model\.vision\.width is 128"):
        initialise(wider, wider.config, [_source(files / "vit.pth")])
