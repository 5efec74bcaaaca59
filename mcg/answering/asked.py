"""Questions about clips as ways of answering see them: fused with their videos when that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from torch import Tensor

from mcg.model.model import Model
from mcg.model.states import Fused, VideoStates


class Asked:
    """B questions. inputs: arrays of their texts, as tensors of B rows; video: the states of each one's clip."""

    def __init__(self, model: Model, video: VideoStates, inputs: Mapping[str, Tensor]) -> None:
        self.model, self.video, self.inputs = model, video, inputs

    @cached_property
    def fused(self) -> Fused:
        """The questions themselves, with their clips."""
        return self.fuse("text")

    def fuse(self, name: str) -> Fused:
        """Another text of each question, the arrays NAME_ids and NAME_mask, with its clip."""
        text = self.model.encode_text(self.inputs[f"{name}_ids"], self.inputs[f"{name}_mask"].bool())
        return self.model.fuse(text, self.video)
