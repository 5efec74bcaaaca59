"""A small run to plan, and what a trial of one may have found."""

from __future__ import annotations

from pathlib import Path

from mcg.config import RunConfig, load_config
from mcg.plan.trial import Line, Trial
from tests.small_configs import ROOT, shrink

TRIAL = Trial(
    trained=1_000_000, frozen=500_000, flops=3e9, activations=Line(1e6, 2e6), sample_bytes=1000, update_seconds=0.5
)
NOWHERE = Path("/nowhere")


def small_config(name: str = "configs/pt.yaml", *overrides: str) -> RunConfig:
    return load_config(ROOT / name, [*shrink(name, NOWHERE, NOWHERE), *overrides])
