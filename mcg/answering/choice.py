"""Choosing among given answers: the base of the ways, and the likelihood that a decoder gives to each.

A decoder that writes answers says how likely each one is, and the likeliest is given. Trained by generating the right
choice (objectives.generation). The released code has fragments of another way only (docs/facts/mcg_alpro.md 3.4), so
this one is ours. The likelihood of a choice is compared per token, or as a whole, which favours short choices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from mcg.answering.asked import Asked
from mcg.answering.likelihood import log_likelihoods
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.tasks.config import MultipleChoiceConfig
from mcg.text.texts import Arrays, Texts


class Choosing(ABC):
    """One way of choosing."""

    def __init__(self, config: MultipleChoiceConfig, texts: Texts) -> None:
        self.config, self.texts = config, texts

    @abstractmethod
    def check(self, model: ModelConfig) -> None:
        """Raise ValueError where a model lacks a verb or part that this way uses."""

    def completed(self, model: ModelConfig) -> ModelConfig:
        """The model's config with what it is built by and only this way knows: a classifier for the choices."""
        return model

    def check_choices(self, choices: Sequence[str]) -> None:
        """Raise ValueError for choices that a user gives and that this way cannot score whole."""
        return

    @abstractmethod
    def question(self, text: str, choices: Sequence[str], right: int, training: bool) -> Arrays:
        """A question with its choices; in training with what tells the right one. Raises ValueError for texts that do
        not fit."""

    def cuts(self, text: str, choices: Sequence[str]) -> bool:
        """Whether words of a question, or of its choices, are left out."""
        return self.texts.cuts(text, self.config.max_question_tokens)

    @abstractmethod
    def scores(self, asked: Asked) -> Tensor:
        """float32 (B, N): the score of each choice, more being better."""


class LikelihoodChoice(Choosing):
    """See the module. Choices longer than max_answer_tokens are cut."""

    def check(self, model: ModelConfig) -> None:
        if (missing := model.missing("decode")) is not None:
            raise ValueError(f"choosing by likelihood needs a decoder: {missing}")

    def question(self, text: str, choices: Sequence[str], right: int, training: bool) -> Arrays:
        """The right choice in training; in evaluation all of them."""
        asked, longest = self.texts.question(text, self.config.max_question_tokens), self.config.max_answer_tokens
        return asked | (
            self.texts.answer(choices[right], longest) if training else self.texts.choices(choices, longest)
        )

    def check_choices(self, choices: Sequence[str]) -> None:
        self.texts.check_choices(choices, self.config.max_answer_tokens)

    def scores(self, asked: Asked) -> Tensor:
        A = self.config.max_answer_tokens  # the batch may be padded to a multiple
        ids_BNA, mask_BNA = (asked.inputs[name][:, :, :A] for name in ("choice_ids", "choice_mask"))
        return self.likelihoods(asked.model, asked.fused, ids_BNA, mask_BNA)

    def likelihoods(self, model: Model, fused: Fused, ids_BNA: Tensor, mask_BNA: Tensor) -> Tensor:
        """The scores of choices (B, N, A) to fused questions."""
        scores_BN = log_likelihoods(model, fused, ids_BNA, mask_BNA)
        return (
            scores_BN / (mask_BNA.sum(2) - 1) if self.config.likelihood == "mean" else scores_BN
        )  # the first is given
