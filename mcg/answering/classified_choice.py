"""Choosing by a classifier that has read all choices: a class for each number (LAVENDER's heads by task).

The text is that of choosing by number. Trained by objectives.classification.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from mcg.answering.asked import Asked
from mcg.answering.numbered_choice import NumberedChoice
from mcg.model.config import ModelConfig
from mcg.text.texts import Arrays


class ClassifiedChoice(NumberedChoice):
    """See the module. The score is the logit of the class."""

    def check(self, model: ModelConfig) -> None:
        self.completed(model)

    def completed(self, model: ModelConfig) -> ModelConfig:
        return model.with_classes(self.config.head, self.config.num_choices, "task.num_choices")

    def question(self, text: str, choices: Sequence[str], right: int, training: bool) -> Arrays:
        asked = self.asked(text, choices)
        return asked | {"label": np.array(right)} if training else asked

    def scores(self, asked: Asked) -> Tensor:
        return asked.model.classify(asked.fused, self.config.head).float()[:, : self.config.num_choices]
