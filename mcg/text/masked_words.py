"""LAVENDER's layout: every answer is the word at [MASK] (docs/facts/lavender.md 2).

pair       [CLS] words [SEP], padded to max_tokens, [MASK]: "true" or "false", whether video and text match
options    [CLS] words [SEP] option 0: words [SEP] option 1: words ... [MASK] [SEP]
question   [CLS] words answer : [MASK] [SEP]; where a word is missing: [CLS] words [MASK] words [SEP]
answer     [CLS] words [SEP]
caption    [CLS] words [SEP], of which any token may be masked, these two too

`prefix` puts an instruction, [CLS] words [SEP], or a task token before them; `mask_at` moves the [MASK] of pairs. What
is to be predicted of a text is always [MASK]. Heads by task read [CLS], so their texts have no [MASK] for an answer,
but in blanks, and need no padding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from mcg.text.layouts import Bert
from mcg.text.texts import NO_LABEL, NO_LIMIT, Arrays, Ids

Prefix = Literal["none", "instruction", "task_token"]
Place = Literal["end", "start", "tenth", "first"]
Heads = Literal["words", "task"]
NUM_TASK_TOKENS = 10
"""Task tokens of the release, of which it uses four. Their ids follow the vocabulary."""
_PREFIXES = {
    "matching": (0, "is the video-text paired, true or false?"),
    "option": (0, "is the video-text matched, true or false?"),
    "options": (1, "which answer is correct, from [0, 1, 2, 3, 4]?"),
    "question": (2, "answer the question about the video."),
    "blank": (2, "fill in the mask to complete the sentence."),
    "caption": (3, "write a description about the video."),
}
"""Kind of text -> number of its task token, and its instruction, in the release's words."""
_BLANK = re.compile(r"\[MASK\]|_{3,}")
_INSERTED_AT = {"start": 0, "tenth": 10}
_MAX_INSTRUCTION = 64


class MaskedWords(Bert):
    """Word pieces as LAVENDER writes them. Raises ValueError for a vocabulary without "true" or "false"."""

    def __init__(
        self, vocabulary: str | None = None, mask_at: Place = "end", prefix: Prefix = "none", heads: Heads = "words"
    ) -> None:
        super().__init__(vocabulary)
        self.mask_at, self.prefix, self.heads = mask_at, prefix, heads
        self.size = self.codec.num_words  # [DEC] and [ENC] have no use here
        self.start_id = self.codec.cls
        self.mask_id = self.codec.mask
        self.false_id, self.true_id = self.word_id("false"), self.word_id("true")

    @classmethod
    def of(cls, config: Any) -> MaskedWords:
        """The layout of a model. Raises FileNotFoundError, ValueError."""
        return cls(config.vocabulary, config.mask_at, config.prefix, config.heads)

    def word_id(self, word: str) -> int:
        """The id of a word that is one piece. Raises ValueError."""
        pieces = self.codec.pieces(word)
        if len(pieces) != 1 or pieces[0] == self.codec.unknown:
            raise ValueError(
                f"{self.file}: {word!r} is no word piece there, and this model answers with it; take another "
                "vocabulary (model.vocabulary)"
            )
        return pieces[0]

    def pair(self, text: str, max_tokens: int) -> Arrays:
        ids = self.codec.encode(text, max_tokens)
        arrays = self._matching("text", "matching", ids, max_tokens)
        return {**arrays, "text_words": self.codec.words(np.minimum(arrays["text_ids"], self.size - 1))}

    def cloze(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """The chosen pieces become [MASK]; the [MASK] of matching is none of them."""
        ids = self.codec.encode(text, max_tokens)
        masked, labels = ids.copy(), np.full_like(ids, NO_LABEL)
        candidates = np.arange(1, len(ids) - 1)
        chosen = candidates[rng.random(len(candidates)) < share]
        if not len(chosen):
            chosen = rng.choice(candidates, 1) if len(candidates) else np.array([len(ids) - 1])  # [SEP] of no words
        labels[chosen], masked[chosen] = ids[chosen], self.mask_id
        arrays = self._matching("masked", "caption", masked, max_tokens)
        told = np.full_like(arrays["masked_ids"], NO_LABEL)
        labels = self._with_slot(labels, max_tokens, NO_LABEL, NO_LABEL)
        told[len(told) - len(labels) :] = labels
        return {**arrays, "masked_labels": told}

    def caption(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """The chosen tokens become [MASK]."""
        ids = self.codec.encode(text, max_tokens)
        is_chosen = rng.random(len(ids)) < share
        if not is_chosen.any():
            is_chosen[rng.integers(len(ids))] = True
        arrays = self._prefixed("masked", "caption", np.where(is_chosen, self.mask_id, ids), np.ones_like(ids))
        prefix = len(arrays["masked_ids"]) - len(ids)
        labels = np.concatenate([np.full(prefix, NO_LABEL), np.where(is_chosen, ids, NO_LABEL)])
        return {**arrays, "masked_labels": labels}

    def question(self, text: str, max_tokens: int, num_masks: int = 1) -> Arrays:
        """max_tokens counts [CLS] and the words, which are cut, but not what follows them. num_masks: [MASK] that stand
        together for an answer of so many pieces. Raises ValueError for a sentence with several blanks."""
        codec, blank, masks = self.codec, _BLANK.search(text), [self.mask_id] * num_masks
        if blank is None:
            tail = [*codec.pieces("answer :"), *masks] if self.heads == "words" else []
            words = [*codec.pieces(text)[: max_tokens - 1], *tail]
        else:
            before, after = codec.pieces(text[: blank.start()]), codec.pieces(text[blank.end() :])
            if _BLANK.search(text, blank.end()):
                raise ValueError(f"one blank is answered at a time, found several in {text[:100]!r}")
            before = before[: max(0, max_tokens - 2 - num_masks)]  # where the end is cut, the blank stays
            words = [*before, *masks, *after][: max_tokens - 2]
        ids = np.array([codec.cls, *words, codec.sep], np.int64)
        return self._prefixed("text", "question" if blank is None else "blank", ids, np.ones_like(ids))

    def cuts(self, text: str, max_tokens: int) -> bool:
        return len(self.question(text, max_tokens)["text_ids"]) < len(self.question(text, NO_LIMIT)["text_ids"])

    def option(self, text: str, max_tokens: int) -> Arrays:
        return self._matching("text", "option", self.codec.encode(text, max_tokens), max_tokens)

    def options(self, question: str, choices: Sequence[str], max_tokens: int, cut: bool = False) -> Arrays:
        """A question with its numbered choices: [CLS] words [SEP] option 0 : words [SEP] ... [MASK] [SEP]. max_tokens
        counts [CLS] and all words. Raises ValueError where there are more, unless they are cut, the last ones first."""
        codec = self.codec
        words = codec.pieces(question)
        for number, choice in enumerate(choices):
            words += [codec.sep, *codec.pieces(f"option {number}: {choice}")]
        if len(words) > max_tokens - 1 and not cut:
            raise ValueError(
                f"question and choices are {len(words)} word pieces, {max_tokens - 1} fit task.max_question_tokens; "
                "raise it"
            )
        mask = [self.mask_id] if self.heads == "words" else []
        ids = np.array([codec.cls, *words[: max_tokens - 1], *mask, codec.sep], np.int64)
        return self._prefixed("text", "options", ids, np.ones_like(ids))

    def answer(self, text: str, max_tokens: int) -> Arrays:
        ids = self.codec.encode(text, max_tokens)
        return {"answer_ids": ids, "answer_mask": np.ones_like(ids)}

    def prompt(self) -> Arrays:
        none = np.zeros(0, np.int64)
        return self._prefixed("prompt", "caption", none, none)

    def _matching(self, name: str, kind: str, ids: Ids, max_tokens: int) -> Arrays:
        """Arrays of a text with the [MASK] of matching."""
        with_slot = self._with_slot(ids, max_tokens, self.pad_id, self.mask_id)
        return self._prefixed(name, kind, with_slot, self._with_slot(np.ones_like(ids), max_tokens, 0, 1))

    def _with_slot(self, row: Ids, max_tokens: int, padding: int, slot: int) -> Ids:
        """A row padded to max_tokens, with the value of the [MASK] of matching at its place, if there is one."""
        if self.heads == "task":
            return row
        padded = np.full(max_tokens, padding, np.int64)
        padded[: len(row)] = row
        if self.mask_at == "first":
            padded[0] = slot
            return padded
        return np.insert(padded, min(_INSERTED_AT.get(self.mask_at, max_tokens), max_tokens), slot)

    def _prefixed(self, name: str, kind: str, ids: Ids, mask: Ids) -> Arrays:
        number, instruction = _PREFIXES[kind]
        prefix: Ids = np.zeros(0, np.int64)
        if self.prefix == "task_token":
            prefix = np.array([self.size + number], np.int64)
        elif self.prefix == "instruction":
            prefix = self.codec.encode(instruction, _MAX_INSTRUCTION)
        mask = np.concatenate([np.ones_like(prefix), mask])
        return {f"{name}_ids": np.concatenate([prefix, ids]), f"{name}_mask": mask}
