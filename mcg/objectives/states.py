"""The states that objectives read: each is computed once per batch, when the first objective asks for it.

Objectives of one batch share the expensive passes (video, text, fusion) through this object, and a pass that no
objective needs is never run. An objective that needs a pass of its own computes it by `once`, under a name by which
others may share it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from torch import Tensor

from mcg.model.model import Model
from mcg.model.states import Fused, TextStates, VideoStates
from mcg.objectives.over_pairs.cached_loss import PairFeatures
from mcg.objectives.over_pairs.contrastive_batch import MicroBatch
from mcg.objectives.over_pairs.same_video import repeated_keys

_T = TypeVar("_T")


class States:
    """Lazy states of one batch. `inputs` holds frames (B, T, H, W, 3) and the arrays of the task, as tensors."""

    def __init__(self, model: Model, inputs: Mapping[str, Tensor], with_attention: bool, seed: int = 0) -> None:
        self.model = model
        self.inputs = inputs
        self.seed = seed
        """The batch's seed, the same on all ranks. What an objective draws is addressed by it, the objective's name and
        the sample's number in the global batch (shards/order/random_numbers.py), not by the rank."""
        self.micro_batch: MicroBatch | None = None
        """The batch as part of a larger contrastive batch; None where it is one by itself."""
        self._with_attention = with_attention
        self._made: dict[str, Any] = {}
        self.told: dict[str, Tensor] = {}
        """Scalars that objectives tell beside their losses, by name; logged, and no part of the total."""

    def __getitem__(self, name: str) -> Tensor:
        """An input array. Raises ValueError naming what the task gives."""
        try:
            return self.inputs[name]
        except KeyError:
            raise ValueError(
                f"an objective needs the array {name!r}, the task gives {sorted(self.inputs)}; use an objective that "
                "fits the task"
            ) from None

    def once(self, name: str, make: Callable[[], _T]) -> _T:
        """The result of `make`, which is called by the first request for this name in a batch; later ones share it."""
        if name not in self._made:
            self._made[name] = make()
        made: _T = self._made[name]
        return made

    def encode_text(self, ids: str, mask: str, contrastive: bool = False) -> TextStates:
        """The text pass over two input arrays."""
        return self.model.encode_text(self[ids], self[mask].bool(), contrastive, self._with_attention)

    @cached_property
    def video(self) -> VideoStates:
        """States of the clips."""
        return self.model.encode_video(self["frames"], with_attention=self._with_attention)

    @cached_property
    def text(self) -> TextStates:
        """The text pass over `text_ids`."""
        return self.encode_text("text_ids", "text_mask")

    @cached_property
    def masked_text(self) -> TextStates:
        """The text pass over `masked_ids`."""
        return self.model.encode_text(self["masked_ids"], self["masked_mask"].bool())

    @cached_property
    def contrastive_text(self) -> TextStates:
        """The text pass that the contrasts read: `text`, unless the model makes another one for them."""
        if not self.model.contrastive_text_differs:
            return self.text
        return self.encode_text("text_ids", "text_mask", contrastive=True)

    @cached_property
    def video_features(self) -> Tensor:
        """Vectors (B, E) of the videos in the contrastive space."""
        return self.model.video_features(self.video)

    @cached_property
    def text_features(self) -> Tensor:
        """Vectors (B, E) of the texts in the contrastive space."""
        return self.model.text_features(self.contrastive_text)

    @cached_property
    def pair_features(self) -> PairFeatures:
        """What losses over pairs read. First videos, then texts: random numbers are drawn in the order of passes."""
        video, text = self.video_features, self.text_features
        return PairFeatures(video, text, self.model.temperature)

    @cached_property
    def video_keys(self) -> Tensor | None:
        """Keys (B,) by which elements of one video are left out of losses over pairs; None where there are none."""
        return repeated_keys(self.inputs)

    @cached_property
    def fused(self) -> Fused:
        """Fusion of text and video."""
        return self.model.fuse(self.text, self.video)

    def encode_videos_of(self, number_N: Tensor) -> VideoStates:
        """States of videos by their numbers in the contrastive batch that `micro_batch` is part of, encoded here, with
        gradient, wherever they are from. All ranks ask together, each for N."""
        return self._others(number_N, "frames").video

    def encode_texts_of(self, number_N: Tensor) -> TextStates:
        """The same of texts."""
        return self._others(number_N, "text_ids", "text_mask").text

    def _others(self, number_N: Tensor, *names: str) -> States:
        """States with these arrays of other samples."""
        assert self.micro_batch is not None
        inputs = {name: self.micro_batch.whole.rows(name, number_N) for name in names}
        return States(self.model, inputs, with_attention=False)
