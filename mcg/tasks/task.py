"""The base of tasks: a task turns samples into examples, and scores a model's predictions on them.

Training and evaluation make the same example, but nothing that the model sees in evaluation is random. A task holds
plain numbers and a Texts, so the loader's threads may share it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mcg import distributed
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.scoring.submission import Submission
from mcg.tasks.config import ClipTaskConfig
from mcg.text.texts import Texts
from shards import Batch, EncodedClip, Sample, SampleError
from shards.dataset import is_whole
from shards.loader import RngFactory
from shards.media import ClipConfig
from shards.order import hash64, name_hash


@dataclass(frozen=True)
class Scores:
    """The result of an evaluation. `metrics` is a tree of numbers; `predictions` holds one dict per scored element,
    `failures` one per element that could not be used, with its origin and reason."""

    metrics: dict[str, Any]
    predictions: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    headline: tuple[str, float] | None = None
    """Path in `metrics` and value of the number that selects a checkpoint; more is better."""
    use: str | None = None
    """The use of the run that was scored; None where a run has one use."""


class Evaluation(Protocol):
    """The model's side of one pass over a split."""

    def add(self, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        """One JSON-able dict per slot of the batch; slots that are not valid are dropped by the caller."""

    def finish(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The predictions of all ranks in order, from what `add` has returned on this rank."""


class Task(ABC):
    """One use of a dataset. `name` is its name in configs."""

    name: str

    def __init__(self, config: ClipTaskConfig, texts: Texts) -> None:
        self.config, self.texts = config, texts
        derived = config.clip.for_evaluation()
        if config.compat == "released" and derived.sampling == "uniform":
            derived = derived.model_copy(update={"sampling": "released_uniform"})
        self._evaluation_clip = config.evaluation_clip or derived

    def encode(self, sample: Sample, rng: RngFactory) -> EncodedClip:
        """An example for training. Raises SampleError for a record that cannot be used."""
        return self.example(sample, rng, self.config.clip, training=True)

    @property
    def evaluation_clip(self) -> ClipConfig:
        """Frames of a clip in evaluation."""
        return self._evaluation_clip

    def encode_for_evaluation(self, sample: Sample, rng: RngFactory) -> EncodedClip:
        """An example for evaluation, which nothing random changes."""
        return self.example(sample, rng, self._evaluation_clip, training=False)

    @abstractmethod
    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        """Bytes, a clip plan, and the text as arrays. Draws only from rng(purpose). Raises SampleError."""

    @abstractmethod
    def made_up_record(self) -> dict[str, Any]:
        """A record whose texts are as long as this task takes them, for planning a run without its data."""

    def check_model(self, model: ModelConfig) -> None:
        """Raise ValueError where a model lacks a verb or part that this task uses."""
        return

    def completed(self, model: ModelConfig) -> ModelConfig:
        """The model's config with what it is built by and only the task knows, such as the number of its answers.
        Raises ValueError."""
        return model

    def submission(self, scores: Scores) -> Submission | None:
        """The predictions in the form that results of this dataset are handed in; None where there is no such form."""
        return None

    def evaluation(self, model: Model, device: torch.device) -> Evaluation:
        """An evaluation that is about to begin."""
        return _SlotBySlot(self, model)

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        """One JSON-able dict per slot of the batch; slots that are not valid are dropped by the caller. A task whose
        `evaluation` is another one has none."""
        raise NotImplementedError(f"{type(self).__name__} must predict, or have an evaluation of its own")

    @abstractmethod
    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        """Metrics over the predictions of all ranks in order; failures are counted as wrong."""


class _SlotBySlot:
    """The evaluation of a task that predicts each slot by itself."""

    def __init__(self, task: Task, model: Model) -> None:
        self._task, self._model = task, model

    def add(self, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        return self._task.predict(self._model, batch, inputs)

    def finish(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return distributed.gather_objects(answers)


LONG_TEXT = "a " * 512
"""A text longer than any task takes, for records that are made up."""


def text_of(record: dict[str, Any], name: str) -> str:
    """A field of a record without surrounding space; "" where it holds no text. The printed form of a list is no
    text."""
    value = record.get(name)
    return value.strip() if isinstance(value, str) and is_whole(value) else ""


def label_of(record: dict[str, Any], name: str) -> str:
    """A field of a record that may be a text or a number, as text; "" where it is neither."""
    value = record.get(name)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else text_of(record, name)


def caption_of(sample: Sample, record: dict[str, Any], number: int, texts: Texts) -> str:
    """The caption of a record of a sample. Raises SampleError, with its number, where it says nothing to the model."""
    caption = text_of(record, "caption")
    if not texts.num_pieces(caption):
        found = f"no word piece in the caption {caption!r}" if caption else f"no caption in {sorted(record)}"
        raise SampleError(sample.origin, f"record {number}: {found}")
    return caption


def video_id(sample: Sample) -> str:
    """What a dataset calls the video of a sample, or where it does not, the origin."""
    return label_of(sample.meta, "id") or str(sample.origin)


def video_key(sample: Sample) -> npt.NDArray[np.int64]:
    """The array video_key of a sample (mcg/objectives/over_pairs/same_video.py), int64 (1,)."""
    return np.array([hash64(name_hash(sample.origin.dataset), name_hash(video_id(sample)))]).astype(np.int64).reshape(1)
