"""Layouts: which special tokens each kind of text has, one class per kind of model.

Bert    pair [CLS] words [SEP]    question [ENC] words [SEP]    answer [DEC] words [SEP]    prompt [ENC] [SEP]
"""

from __future__ import annotations

import numpy as np

from mcg.model.config import ModelConfig
from mcg.text.texts import NO_LABEL, Arrays, Ids, Texts
from mcg.text.wordpiece import WordPieces


class Bert(Texts):
    """Word pieces as MCG and ALPRO write them (docs/facts/mcg_alpro.md 3)."""

    num_added = 2

    def __init__(self, vocabulary: str | None = None) -> None:
        self.codec = WordPieces(vocabulary)
        self.file, self.fingerprint, self.size = self.codec.file, self.codec.fingerprint, self.codec.size
        self.start_id, self.end_id, self.pad_id = self.codec.dec, self.codec.sep, self.codec.pad

    @classmethod
    def of(cls, config: ModelConfig) -> Bert:
        """The layout of a model. Raises FileNotFoundError, ValueError."""
        return cls(config.vocabulary)

    def num_pieces(self, text: str) -> int:
        return self.codec.num_pieces(text)

    def decode(self, ids: Ids) -> str:
        return self.codec.decode(ids)

    def pair(self, text: str, max_tokens: int) -> Arrays:
        ids = self.codec.encode(text, max_tokens)
        return {**_masked("text", ids), "text_words": self.codec.words(ids)}

    def cloze(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """80 % of the chosen pieces become [MASK], 10 % another piece, and 10 % stay (docs/facts/mcg_alpro.md 2.2)."""
        ids, codec = self.codec.encode(text, max_tokens), self.codec
        masked, labels = ids.copy(), np.full_like(ids, NO_LABEL)
        candidates = np.flatnonzero([int(i) not in codec.special for i in ids])
        if not len(candidates):
            labels[-1] = ids[-1]  # a text without a word: predict [SEP], which is in view
            return {**_masked("masked", masked), "masked_labels": labels}
        chosen = candidates[rng.random(len(candidates)) < share]
        if not len(chosen):
            chosen = candidates[rng.integers(len(candidates), size=1)]
        fate = rng.random(len(chosen))
        other = rng.integers(codec.num_words, size=len(chosen))
        masked[chosen] = np.where(fate < 0.8, codec.mask, np.where(fate < 0.9, other, ids[chosen]))
        labels[chosen] = ids[chosen]
        return {**_masked("masked", masked), "masked_labels": labels}

    def caption(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        return {**self.prompt(), **self.answer(text, max_tokens)}

    def question(self, text: str, max_tokens: int) -> Arrays:
        return _masked("text", self.codec.encode(text, max_tokens, first=self.codec.enc))

    def answer(self, text: str, max_tokens: int) -> Arrays:
        return _masked("answer", self.codec.encode(text, max_tokens, first=self.codec.dec))

    def prompt(self) -> Arrays:
        return _masked("prompt", np.array([self.codec.enc, self.codec.sep], dtype=np.int64))


def _masked(name: str, ids: Ids) -> Arrays:
    """Ids and the mask of ids none of which is padding."""
    return {f"{name}_ids": ids, f"{name}_mask": np.ones(len(ids), np.int64)}
