"""Saves without an end, in a process that is to be killed.

The weights of a step are the step itself, 4 MB of them and as much of state.
"""

from __future__ import annotations

from multiprocessing.synchronize import Event
from pathlib import Path

import torch
from torch import Tensor

from mcg.engine.saving import save_checkpoint, wait_for_save
from mcg.engine.store.background import Background
from mcg.engine.store.contents import Content, Contents
from mcg.engine.store.resume import resume_point


class Weights:
    """What is saved of an engine, without the time to start one."""

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.tensor = torch.empty(1_000_000)

    def train_step(self) -> None:
        self.step += 1
        self.tensor.fill_(self.step)

    def model_state(self) -> dict[str, Tensor]:
        return {"w": self.tensor}

    def state(self) -> Contents:
        return {"state/rank-00000.safetensors": Content({"w": self.tensor}, {"step": str(self.step)})}


def save_without_end(run: Path, in_background: bool, saved: Event) -> None:
    """Goes on from what is saved there; `saved` is set when a first checkpoint is there."""
    found = resume_point(run)
    engine, background = Weights(0 if found is None else found.step), Background() if in_background else None
    while True:
        if background is not None:
            background.wait_for_copy()
        engine.train_step()
        save_checkpoint(run, engine, {"step": engine.step}, {}, 2, keep_every_steps=5, background=background)
        if not saved.is_set():
            if background is not None:
                wait_for_save(run, background)
            saved.set()
