"""The layout of CLIP and T2VLP: every text stands between a start and an end (docs/facts/t2vlp.md 1, 2 and 4).

pair, answer   start words end
question       the same; with_slots: padded to max_tokens besides, and then an empty slot at which the answer is read
prompt         nothing: a caption begins with the start

No piece means padding, "!" having id 0, so only masks tell it. A word that is masked and a slot have `empty_id`, which
follows the vocabulary: no word is mistaken for it, and the model gives it the state of none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mcg.text.byte_pairs import BytePairs
from mcg.text.texts import NO_LABEL, Arrays, Ids, Texts


class BytePairTexts(Texts):
    """Byte pairs as CLIP and T2VLP write them."""

    num_added = 2

    def __init__(self, vocabulary: str | None = None) -> None:
        self.codec = BytePairs(vocabulary)
        self.file, self.fingerprint, self.size = self.codec.file, self.codec.fingerprint, self.codec.size
        self.start_id, self.end_id, self.pad_id = self.codec.start, self.codec.end, 0
        self.empty_id = self.size
        """Of a token without a word."""

    @classmethod
    def of(cls, config: Any) -> BytePairTexts:
        """The layout of a model. Raises FileNotFoundError, ValueError."""
        return cls(config.vocabulary)

    def num_pieces(self, text: str) -> int:
        return self.codec.num_pieces(text)

    def decode(self, ids: Ids) -> str:
        return self.codec.decode(ids)

    def pair(self, text: str, max_tokens: int) -> Arrays:
        ids = self.codec.encode(text, max_tokens)
        return {"text_ids": ids, "text_mask": np.ones_like(ids), "text_words": self.codec.words(ids)}

    def cloze(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """Every chosen word becomes empty."""
        ids = self.codec.encode(text, max_tokens)
        labels, candidates = np.full_like(ids, NO_LABEL), np.arange(1, len(ids) - 1)
        chosen = candidates[rng.random(len(candidates)) < share]
        if not len(chosen):
            chosen = rng.choice(candidates, 1) if len(candidates) else np.array([len(ids) - 1])  # the end of no words
        labels[chosen], ids[chosen] = ids[chosen], self.empty_id
        return {"masked_ids": ids, "masked_mask": np.ones_like(ids), "masked_labels": labels}

    def continuation(self, text: str, max_tokens: int, rng: np.random.Generator) -> Arrays:
        """Any place but the last two is drawn."""
        ids = self.codec.encode(text, max_tokens)
        return {"prefix_labels": self.prefix_labels(ids, int(rng.integers(max(1, len(ids) - 1))))}

    def caption(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """The pair besides, for what else is learned of a caption, and prefix_labels from its start on."""
        arrays = self.pair(text, max_tokens)
        labels = self.prefix_labels(arrays["text_ids"], 0)
        return {**arrays, "prefix_labels": labels, **self.prompt(), **self.answer(text, max_tokens)}

    def prefix_labels(self, ids: Ids, start: int) -> Ids:
        """The token behind each token, int64 (L,); NO_LABEL before place `start` and at the last."""
        labels = np.full_like(ids, NO_LABEL)
        labels[start:-1] = ids[start + 1 :]
        return labels

    def question(self, text: str, max_tokens: int) -> Arrays:
        ids = self.codec.encode(text, max_tokens)
        return {"text_ids": ids, "text_mask": np.ones_like(ids)}

    def with_slots(self, text: str, max_tokens: int, num_slots: int = 1) -> Arrays:
        """A question, padded to max_tokens, and then empty slots, one for each piece of an answer: text_ids, text_mask,
        each (max_tokens + num_slots,). So slots stand at one place whatever the question and the batch."""
        ids = self.codec.encode(text, max_tokens)
        padding = (0, max_tokens - len(ids))
        slots = np.full(num_slots, self.empty_id, np.int64)
        return {
            "text_ids": np.concatenate([np.pad(ids, padding, constant_values=self.pad_id), slots]),
            "text_mask": np.concatenate([np.pad(np.ones_like(ids), padding), np.ones_like(slots)]),
        }

    def answer(self, text: str, max_tokens: int) -> Arrays:
        ids = self.codec.encode(text, max_tokens)
        return {"answer_ids": ids, "answer_mask": np.ones_like(ids)}

    def prompt(self) -> Arrays:
        none = np.zeros(0, np.int64)
        return {"prompt_ids": none, "prompt_mask": none}
