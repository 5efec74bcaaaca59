"""Answering at [MASK]: the word, or words, that the model finds likeliest there (docs/facts/lavender.md 2).

Of a list of answers each is scored in a question with as many [MASK] as it has word pieces, by the mean of their
log-probabilities; beside it the likeliest word of the whole vocabulary is told (`open_prediction`). Without a list that
word is the answer. Trained by objectives.masked_lm. As released, training leaves out answers of several pieces, and the
answer is always one word.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcg.answering.answer_list import AnswerListError, read_answers
from mcg.answering.answering import Answering, Scored
from mcg.answering.asked import Asked
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.tasks.config import OpenQAConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL, Arrays, Ids, Texts


class MaskedWord(Answering):
    """See the module. Raises AnswerListError for a list that cannot be used, ValueError for texts without [MASK]."""

    writes = False

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        if not isinstance(texts, MaskedWords):
            raise ValueError(f"task.answering is {config.answering!r}, which needs model.name: lavender")
        self._words = texts
        self._released = config.compat == "released"
        self._answers: tuple[str, ...] = ()
        self._numbers_of: dict[int, list[int]] = {}
        """Word pieces -> numbers of the answers in the list that have so many."""
        self._pieces_of: dict[int, Tensor] = {}
        """Word pieces k -> the pieces (N, k) of these answers."""
        if config.answer_list is not None and not self._released:
            self._answers = read_answers(config.answer_list, config.num_answers)
            self._sort_by_length()

    def among(self, answers: Sequence[str]) -> MaskedWord:
        way = copy(self)
        way._answers, way._numbers_of = tuple(answers), {}
        way._sort_by_length()
        return way

    def _sort_by_length(self) -> None:
        pieces = [self._words.codec.pieces(answer) for answer in self._answers]
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
            raise ValueError(f"task.answering is {self.config.answering!r}, which answers at [MASK]: {missing}")

    def arrays(self, answer: str) -> Arrays:
        """Nothing: the answer stands in the question (`question`)."""
        return {}

    def question(self, text: str, answer: str | None) -> Arrays:
        """The question with one [MASK], and with as many as each answer of the list has pieces; in training those of
        the right answer, as masked words."""
        longest = self.config.max_question_tokens
        arrays = self._words.question(text, longest)
        for k in self._pieces_of:
            if k > 1:
                arrays |= {_name(k, key): row for key, row in self._words.question(text, longest, k).items()}
        if answer is not None:
            arrays |= self._in_training(text, self._words.codec.pieces(answer))
        return arrays

    def _in_training(self, text: str, pieces: Sequence[int]) -> Arrays:
        if self._released and len(pieces) != 1:
            pieces = [NO_LABEL]
        asked = self._words.question(text, self.config.max_question_tokens, len(pieces))
        ids = asked["text_ids"]
        labels: Ids = np.full_like(ids, NO_LABEL)
        labels[ids == self._words.mask_id] = pieces
        return {"masked_ids": ids, "masked_mask": asked["text_mask"], "masked_labels": labels}

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
        is_mask_BL = asked.inputs[f"{name}_ids"] == self._words.mask_id
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
