"""Classification: a classifier names one of a list of answers (ALPRO; docs/facts/mcg_alpro.md 2.5).

The score is the probability of the class. A training sample whose answer is not in the list has NO_LABEL. No other
answer can be given (`reach`): of some answers that a user names the most probable is taken, if all are in the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

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

    writes = False

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        self._answers = read_answers(str(config.answer_list), config.num_answers)
        self._label = {answer: number for number, answer in enumerate(self._answers)}
        self._chosen = list(range(len(self._answers)))
        """Classes that may be given."""

    def among(self, answers: Sequence[str]) -> Classification:
        if unknown := [answer for answer in answers if answer not in self._label]:
            raise ValueError(
                f"choice {unknown[0]!r} is not in task.answer_list {self.config.answer_list}, and a classifier gives "
                "no other answer"
            )
        way = copy(self)
        way._chosen = [self._label[answer] for answer in answers]
        return way

    def check(self, model: ModelConfig) -> None:
        self.completed(model)

    def completed(self, model: ModelConfig) -> ModelConfig:
        place = f"task.answer_list {self.config.answer_list}"
        return model.with_classes(self.config.head, len(self._answers), place)

    def arrays(self, answer: str) -> Arrays:
        return {"label": np.array(self._label.get(answer, NO_LABEL))}

    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        logits_BK = model.classify(fused, self.config.head)[:, : len(self._answers)]
        scores_BN = logits_BK.float().softmax(-1)[:, self._chosen]
        top = scores_BN.topk(min(count, scores_BN.shape[1]), dim=1)
        answers = [self._answers[number] for number in self._chosen]
        return self._best_of_list(answers, top.values.tolist(), top.indices.tolist())

    def reach(self, answers: Sequence[str]) -> dict[str, float]:
        return {"list": self._share_of_list(self._answers, answers)}
