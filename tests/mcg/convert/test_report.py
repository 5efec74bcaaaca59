"""The table: faults first, layers together, every key counted."""

from __future__ import annotations

import torch
from rich.console import Console

from mcg.convert.convert import convert
from mcg.convert.families import FAMILIES
from mcg.convert.report import table
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.convert.small_conversions import build


def test_layers_are_told_together_and_faults_first() -> None:
    state = draw(layouts.alpro_retrieval(SMALL)) | {"strange[bold]": torch.ones(3)}
    conversion = convert(state, FAMILIES["alpro"], build)
    made = table(conversion)
    console = Console(width=240, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(made)
    text = console.export_text()
    assert "visual_encoder.model.blocks.{0..1}.attn.qkv.weight" in text
    assert "[DEC] and [ENC] as copies of [CLS]" in text and "strange[bold]" in text
    counts = [int(cell) for cell in made.columns[1].cells]
    assert sum(counts) == len(conversion.entries)
    assert "unexpected" in str(next(iter(made.columns[0].cells)))
