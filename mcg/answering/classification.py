"""Classification: a classifier names one of a list of answers (ALPRO; docs/facts/mcg_alpro.md 2.5).

The score is the probability of the class. A training sample whose answer is not in the list has NO_LABEL.
"""

from __future__ import annotations

import numpy as np

from mcg.answering.answer_list import read_answers
from mcg.answering.answering import Answering, Scored
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.tasks.config import OpenQAConfig
from mcg.text.texts import NO_LABEL, Arrays, Texts


class Classification(Answering):
    """See the module. Raises AnswerListError for a list that cannot be used."""

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        self._answers = read_answers(str(config.answer_list), config.num_answers)
        self._label = {answer: number for number, answer in enumerate(self._answers)}

    def check(self, model: ModelConfig) -> None:
        num_classes = getattr(model, "num_classes", None)
        if num_classes is None or num_classes < len(self._answers):
            raise ValueError(
                f"model.num_classes is {num_classes}, and task.answer_list {self.config.answer_list} has "
                f"{len(self._answers)} answers; set it to that number or more"
            )

    def arrays(self, answer: str) -> Arrays:
        return {"label": np.array(self._label.get(answer, NO_LABEL))}

    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        scores_BN = model.classify(fused)[:, : len(self._answers)].float().softmax(-1)
        top = scores_BN.topk(min(count, scores_BN.shape[1]), dim=1)
        return self._best_of_list(self._answers, top.values.tolist(), top.indices.tolist())
