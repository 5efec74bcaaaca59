"""Answering at empty slots behind the question, by byte pairs (T2VLP; docs/facts/t2vlp.md 4).

A slot is a token without a word, whose state is none before fusion. As at [MASK], each answer of a list is scored in a
question with as many slots as it has pieces, by the mean of their log-probabilities; without a list the likeliest piece
of the vocabulary is the answer. The release compares that piece with the first one of the answer: `first_piece` tells
this measure beside ours, with the share of answers that it takes for others. Trained by objectives.masked_lm, and by
objectives.contrastive, if that is there, on the text "question answer" of each video. As released, training tells the
first piece alone, and no list is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mcg.answering.asked import Asked
from mcg.answering.masked_word import MaskedWord, Slots
from mcg.metrics.accuracy import accuracy
from mcg.text.byte_pair_texts import BytePairTexts
from mcg.text.texts import Arrays, Texts


class AnswerSlot(MaskedWord):
    """See the module. Raises AnswerListError for a list that cannot be used, ValueError for texts without slots."""

    pairs_in_training = True

    def _slots_of(self, texts: Texts) -> Slots:
        if not isinstance(texts, BytePairTexts):
            raise ValueError(
                f"task.answering is {self.config.answering!r}, which needs a model that reads byte pairs (model.name: "
                "t2vlp)"
            )
        return Slots("an empty slot", texts.empty_id, texts.with_slots, texts.codec.pieces)

    def question(self, text: str, answer: str | None) -> Arrays:
        """The question with slots; in training those of the right answer, and the text "question answer"."""
        if answer is None:
            return super().question(text, None)
        pair = self.texts.pair(f"{text} {answer}", self.config.max_question_tokens)
        return pair | self.in_training(text, answer)

    def learned_as_released(self, pieces: list[int]) -> list[int]:
        return pieces[:1]

    def notes(self, asked: Asked) -> list[dict[str, Any]]:
        number_B = asked.model.token_logits(asked.fused.at_slot()).argmax(-1)
        first = [{"first_piece": number} for number in number_B.tolist()]
        return [note | piece for note, piece in zip(super().notes(asked), first, strict=True)]

    def measures(
        self, asked: Sequence[dict[str, Any]], references: Sequence[str], types: Sequence[str]
    ) -> dict[str, dict[str, Any]]:
        """Besides, `first_piece`: by the likeliest piece at the slot, right where an answer begins with it, as the
        release counts; "shared" are the shares of different answers, those of the list among them, and of questions
        whose answer begins with the piece of another answer."""
        given = [str(question.get("first_piece", "<failed>")) for question in asked]
        firsts = [self._first_pieces(question) for question in asked]
        wanted = [told if told in own else min(own, default="") for told, own in zip(given, firsts, strict=True)]
        table = accuracy(given, wanted, types, self.config.groups)
        return super().measures(asked, references, types) | {
            "first_piece": table | {"shared": self._shared(references)}
        }

    def _first_pieces(self, question: dict[str, Any]) -> set[str]:
        answers = question.get("answers") or [question.get("answer", "")]
        return {str(pieces[0]) for answer in answers if (pieces := self._slots.pieces(str(answer)))}

    def _shared(self, references: Sequence[str]) -> dict[str, float]:
        first = {
            answer: pieces[0]
            for answer in {*references, *map(self.plain, self._answers)}
            if (pieces := self._slots.pieces(answer))
        }
        count = Counter(first.values())
        asked = [count[first[answer]] > 1 for answer in references if answer in first]
        of_answers = [count[piece] > 1 for piece in first.values()]
        return {"answers": float(np.mean(of_answers or [False])), "questions": float(np.mean(asked or [False]))}
