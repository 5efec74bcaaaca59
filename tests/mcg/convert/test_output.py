"""Converted weights as a checkpoint that init_from reads, whole or absent, with their provenance."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mcg.convert.output import write_checkpoint
from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError
from mcg.engine.checkpoint import find_checkpoint
from mcg.engine.weights import load_weights
from mcg.model.mcg import MCG
from mcg.model.mcg_config import MCGConfig
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import VOCABULARY, converted


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(draw(layouts.alpro_retrieval(SMALL)), tmp_path / "released.pt")
    return tmp_path / "released.pt"


def test_a_run_can_begin_from_it(tmp_path: Path, file: Path) -> None:
    released = read_checkpoint(file)
    conversion = converted(released.state, "alpro")
    folder = write_checkpoint(conversion, released, tmp_path / "converted" / "retrieval", VOCABULARY)
    checkpoint = find_checkpoint(folder)
    model = MCG(MCGConfig.model_validate(checkpoint.config["model"]), VOCABULARY)
    assert load_weights(model, checkpoint.folder) == [] and checkpoint.step == 0
    assert torch.equal(model.text_proj.bias, released.state["text_proj.bias"])
    told = json.loads((folder / "conversion.json").read_text())
    assert told["source"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (told["kind"], told["counts"]["unexpected"], len(told["keys"])) == ("alpro", 0, len(conversion.entries))


def test_it_is_whole_or_absent(tmp_path: Path, file: Path) -> None:
    released = read_checkpoint(file)
    conversion = converted(released.state, "alpro")
    unwritable = replace(conversion, state=conversion.state | {"x": torch.zeros(2).to_sparse()})
    with pytest.raises(ValueError, match="sparse"):
        write_checkpoint(unwritable, released, tmp_path / "out" / "a", VOCABULARY)
    assert list((tmp_path / "out").iterdir()) == []
    write_checkpoint(conversion, released, tmp_path / "out" / "a", VOCABULARY)
    with pytest.raises(ConvertError, match=r"out/a: is there already; name another folder, or remove it"):
        write_checkpoint(conversion, released, tmp_path / "out" / "a", VOCABULARY)
