"""Answering at [MASK]: the word, or words, that the model finds likeliest there (docs/facts/lavender.md 2).

Of a list of answers each is scored in a question with as many [MASK] as it has word pieces, by the mean of their
log-probabilities; beside it the likeliest word of the whole vocabulary is told (`open_prediction`). Without a list that
word is the answer. Trained by objectives.masked_lm. As released, training leaves out answers of several pieces, and the
answer is always one word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mcg.answering.answer_list import AnswerListError, read_answers
from mcg.answering.answering import Answering, Scored
from mcg.answering.asked import Asked
from mcg.metrics.accuracy import accuracy
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.tasks.config import OpenQAConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL, Arrays, Ids, Texts


class Slots(NamedTuple):
    """How a layout asks for words that are not there."""

    name: str
    """Of the token in the place of such a word."""
    id: int
    """Its id, which no word has."""
    question: Callable[[str, int, int], Arrays]
    """A question, its longest length, and how many such tokens stand together for an answer."""
    pieces: Callable[[str], list[int]]
    """Ids of an answer's pieces."""


class MaskedWord(Answering):
    """See the module. Raises AnswerListError for a list that cannot be used, ValueError for texts without [MASK]."""

    writes = False

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        self._slots = self._slots_of(texts)
        self._released = config.compat == "released"
        self._answers: tuple[str, ...] = ()
        self._numbers_of: dict[int, list[int]] = {}
        """Word pieces -> numbers of the answers in the list that have so many."""
        self._pieces_of: dict[int, Tensor] = {}
        """Word pieces k -> the pieces (N, k) of these answers."""
        if config.answer_list is not None and not self._released:
            self._answers = read_answers(config.answer_list, config.num_answers)
            self._sort_by_length()

    def _slots_of(self, texts: Texts) -> Slots:
        if not isinstance(texts, MaskedWords):
            raise ValueError(f"task.answering is {self.config.answering!r}, which needs model.name: lavender")
        return Slots("[MASK]", texts.mask_id, texts.question, texts.codec.pieces)

    def among(self, answers: Sequence[str]) -> MaskedWord:
        way = copy(self)
        way._answers, way._numbers_of = tuple(answers), {}
        way._sort_by_length()
        return way

    def _sort_by_length(self) -> None:
        pieces = list(map(self._slots.pieces, self._answers))
        longest = self.config.max_answer_tokens - self.texts.num_added
        for number, own in enumerate(pieces):
            if not 0 < len(own) <= longest:
                raise AnswerListError(
                    f"task.answer_list: {self.config.answer_list}: answer number {number}, {self._answers[number]!r}, "
                    f"{self.texts.misfit(self._answers[number], self.config.max_answer_tokens)}"
                )
            self._numbers_of.setdefault(len(own), []).append(number)
        self._pieces_of = {k: torch.tensor([pieces[n] for n in numbers]) for k, numbers in self._numbers_of.items()}

    def check(self, model: ModelConfig) -> None:
        if (missing := model.missing("slot")) is not None:
            raise ValueError(
                f"task.answering is {self.config.answering!r}, which answers at {self._slots.name}: {missing}"
            )

    def arrays(self, answer: str) -> Arrays:
        """Nothing: the answer stands in the question (`question`)."""
        return {}

    def question(self, text: str, answer: str | None) -> Arrays:
        """The question with one [MASK], and with as many as each answer of the list has pieces; in training those of
        the right answer, as masked words."""
        arrays = self._asked(text, 1)
        for k in self._pieces_of:
            if k > 1:
                arrays |= {_name(k, key): row for key, row in self._asked(text, k).items()}
        return arrays if answer is None else arrays | self.in_training(text, answer)

    def in_training(self, text: str, answer: str) -> Arrays:
        """The question with as many [MASK] as its answer has pieces, and these as labels."""
        pieces = self._slots.pieces(answer)
        if self._released:
            pieces = self.learned_as_released(pieces)
        asked = self._asked(text, len(pieces))
        ids = asked["text_ids"]
        labels: Ids = np.full_like(ids, NO_LABEL)
        labels[ids == self._slots.id] = pieces
        return {"masked_ids": ids, "masked_mask": asked["text_mask"], "masked_labels": labels}

    def learned_as_released(self, pieces: list[int]) -> list[int]:
        """What the release learns of an answer, one label: none of several pieces."""
        return pieces if len(pieces) == 1 else [NO_LABEL]

    def _asked(self, text: str, k: int) -> Arrays:
        return self._slots.question(text, self.config.max_question_tokens, k)

    def best(self, model: Model, fused: Fused, count: int) -> list[list[Scored]]:
        """The likeliest words of the vocabulary at the one [MASK]; the score is the log-probability."""
        top = _log_probs(model, fused.at_slot()).topk(count, dim=-1)
        return [
            [(self.texts.decode(np.array([number])), score) for number, score in zip(numbers, scores, strict=True)]
            for numbers, scores in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ]

    def answers(self, asked: Asked, count: int) -> list[list[Scored]]:
        if not self._answers:
            return self.best(asked.model, asked.fused, count)
        scores = torch.cat([self._scores(asked, k, ids_Nk) for k, ids_Nk in self._pieces_of.items()], 1)
        number_N = torch.tensor([number for numbers in self._numbers_of.values() for number in numbers])
        top = scores.topk(min(count, len(number_N)), dim=1)
        return self._best_of_list(self._answers, top.values.tolist(), number_N[top.indices.cpu()].tolist())

    def _scores(self, asked: Asked, k: int, ids_Nk: Tensor) -> Tensor:
        """float32 (B, N): mean log-probability of the pieces of answers of k pieces."""
        name = _name(k, "text")
        is_mask_BL = asked.inputs[f"{name}_ids"] == self._slots.id
        fused = asked.fused if k == 1 else asked.fuse(name)
        B = len(is_mask_BL)
        is_mask_BL &= (is_mask_BL.sum(1) == k)[:, None]  # a slot of padding has none
        states = fused.text_BLD.new_zeros(B, k, fused.text_BLD.shape[2])
        states[is_mask_BL.any(1)] = fused.text_BLD[is_mask_BL].unflatten(0, (-1, k))
        ids_Nk = ids_Nk.to(states.device)
        return sum(_log_probs(asked.model, states[:, i])[:, ids_Nk[:, i]] for i in range(k)) / k  # type: ignore[return-value]

    def notes(self, asked: Asked) -> list[dict[str, Any]]:
        if not self._answers:
            return super().notes(asked)
        return [{"open_prediction": words[0][0]} for words in self.best(asked.model, asked.fused, 1)]

    def measures(
        self, asked: Sequence[dict[str, Any]], references: Sequence[str], types: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """`open_vocabulary`: by the likeliest word, where a list is answered from."""
        if not any("open_prediction" in question for question in asked):
            return {}
        given = [self.plain(str(question.get("open_prediction", "<failed>"))) for question in asked]
        return {"open_vocabulary": accuracy(given, references, types, self.config.groups)}

    def reach(self, answers: Sequence[str]) -> dict[str, float]:
        one_piece = [self.texts.num_pieces(answer) == 1 and self.texts.plain(answer) != "" for answer in answers]
        found = {"vocabulary": float(np.mean(one_piece))}
        if self._answers:
            found["list"] = self._share_of_list(self._answers, answers)
        return found


def _name(k: int, key: str) -> str:
    """An array of a question with k [MASK]: text_ids with one, text2_ids with two."""
    return key if k == 1 else key.replace("text", f"text{k}", 1)


def _log_probs(model: Model, states_BD: Tensor) -> Tensor:
    return model.token_logits(states_BD).float().log_softmax(-1)
