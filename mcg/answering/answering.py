"""The base of the ways of answering open questions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from mcg.answering.asked import Asked
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.tasks.config import OpenQAConfig
from mcg.text.texts import Arrays, Texts

Scored = tuple[str, float]
"""An answer and its score, more being better."""


class Answering(ABC):
    """One way of answering."""

    writes = True
    """Whether the decoder can say how likely any text is as an answer; otherwise `among` chooses."""
    pairs_in_training = False
    """Whether training has a text of each video, text_ids, which losses over pairs compare with it."""

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        self.config, self.texts = config, texts

    @abstractmethod
    def check(self, model: ModelConfig) -> None:
        """Raise ValueError where a model lacks a verb or part that this way uses."""

    def completed(self, model: ModelConfig) -> ModelConfig:
        """The model's config with what it is built by and only this way knows: a classifier for the answers."""
        return model

    @abstractmethod
    def arrays(self, answer: str) -> Arrays:
        """The right answer of a question, as training reads it."""

    @abstractmethod
    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        """Up to `count` answers to each of the fused questions, best first."""

    def question(self, text: str, answer: str | None) -> Arrays:
        """A question; in training with its right answer, which is None where the answer is asked for."""
        asked = self.texts.question(text, self.config.max_question_tokens)
        return asked if answer is None else asked | self.arrays(answer)

    def answers(self, asked: Asked, count: int) -> list[list[Scored]]:
        """Up to `count` answers to each question, best first."""
        return self.best(asked.model, asked.fused, count)

    def notes(self, asked: Asked) -> list[dict[str, Any]]:
        """What is told of each question beside its answer."""
        return [{} for _ in asked.video.mask_BV]

    def measures(
        self, asked: Sequence[dict[str, Any]], references: Sequence[str], types: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Further measures by name, beside the accuracy of the answers. asked: predictions with their notes, then
        questions that failed, which have none; references: the right answers, plain; types: of the questions."""
        return {}

    def plain(self, text: str) -> str:
        """A text as the decoder would write it, so that case, accents and spaces are no mistakes."""
        if self.config.compat == "released":
            return text
        return self.texts.plain(text) or text  # what no piece spells is no answer that a model gives with no piece

    def reach(self, answers: Sequence[str]) -> dict[str, float]:
        """Shares of these right answers that can be given at all, by the place that they are taken from; none where
        any can be written."""
        return {}

    def among(self, answers: Sequence[str]) -> Answering:
        """The same way with these answers as its list."""
        raise NotImplementedError(f"{type(self).__name__} must say how it chooses among other answers")

    def check_decoder(self, model: ModelConfig) -> None:
        """Raise ValueError where a model has no decoder."""
        if (missing := model.missing("decode")) is not None:
            raise ValueError(f"task.answering is {self.config.answering!r}, which needs a decoder: {missing}")

    def _share_of_list(self, listed: Sequence[str], answers: Sequence[str]) -> float:
        """Share of right answers that are in a list, case, accents and spaces aside."""
        plain = {self.texts.plain(answer) or answer for answer in listed}
        return float(np.mean([(self.texts.plain(answer) or answer) in plain for answer in answers]))

    def _best_of_list(
        self, answers: Sequence[str], scores_BN: list[list[float]], numbers_BN: list[list[int]]
    ) -> list[list[Scored]]:
        """Answers of a list with their scores, by their numbers in it."""
        return [
            [(answers[number], score) for number, score in zip(numbers, scores, strict=True)]
            for numbers, scores in zip(numbers_BN, scores_BN, strict=True)
        ]
