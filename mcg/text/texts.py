"""The base of text layouts: captions, questions, answers and prompts as arrays of token ids.

Tasks and answering name the kind of text, and the layout of the model decides its special tokens. A Texts is
made once per run, is pure (nothing changes but what is returned) and may be used by many threads; it needs no torch.
Arrays are int64. NO_LABEL marks where nothing is to be predicted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Arrays = dict[str, Ids]
NO_LABEL = -100
"""Label of a token, or of a sample, for which nothing is to be predicted."""
NO_LIMIT = 1 << 20
"""A max_tokens that cuts nothing."""


class Texts(ABC):
    """A codec with the layout of one kind of model. `max_tokens` counts special tokens; longer texts are cut."""

    file: Path
    """File of the vocabulary."""
    fingerprint: str
    """Identifies the vocabulary; a checkpoint is refused with another one."""
    size: int
    """Entries of the vocabulary, added tokens included."""
    start_id: int
    """First token of an answer that is generated."""
    end_id: int
    """Last token of an answer that is generated."""
    pad_id: int
    """Token of what is padded."""
    num_added: int
    """Special tokens of an answer."""

    @abstractmethod
    def num_pieces(self, text: str) -> int:
        """Tokens of a text, specials not counted."""

    @abstractmethod
    def decode(self, ids: Ids) -> str:
        """The text of ids up to the end of the answer, specials left out."""

    @abstractmethod
    def pair(self, text: str, max_tokens: int) -> Arrays:
        """A text that stands with its video: text_ids, text_mask, and text_words, the number of each token's word."""

    def option(self, text: str, max_tokens: int) -> Arrays:
        """A choice that is matched with the video: as a pair."""
        return self.pair(text, max_tokens)

    @abstractmethod
    def cloze(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """The same text with a share of its tokens masked: masked_ids, masked_mask, and masked_labels, the tokens to
        predict and NO_LABEL elsewhere. At least one token is to be predicted."""

    def continuation(self, text: str, max_tokens: int, rng: np.random.Generator) -> Arrays:
        """A text that is continued from a drawn place on, beside its pair: prefix_labels, the token behind each of its
        tokens and NO_LABEL before that place; nothing of a layout that continues no text."""
        return {}

    @abstractmethod
    def caption(self, text: str, max_tokens: int, share: float, rng: np.random.Generator) -> Arrays:
        """A text that the model learns to write of its video. share: of its tokens, those to predict at a time where
        the model learns it as masked words (masked_ids, masked_mask, masked_labels, each token seeing those before
        it); otherwise it is an answer to the prompt."""

    @abstractmethod
    def question(self, text: str, max_tokens: int) -> Arrays:
        """A question about a video: text_ids, text_mask."""

    def cuts(self, text: str, max_tokens: int) -> bool:
        """Whether a question or choice has words that max_tokens leaves out."""
        return self.num_pieces(text) > max_tokens - 2

    @abstractmethod
    def answer(self, text: str, max_tokens: int) -> Arrays:
        """An answer or caption that is generated: answer_ids, answer_mask."""

    def choices(self, texts: Sequence[str], max_tokens: int) -> Arrays:
        """Answers to choose from: choice_ids, choice_mask, each (N, max_tokens)."""
        ids = np.full((len(texts), max_tokens), self.pad_id, np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(texts):
            answer = self.answer(text, max_tokens)["answer_ids"]
            ids[row, : len(answer)], mask[row, : len(answer)] = answer, 1
        return {"choice_ids": ids, "choice_mask": mask}

    @abstractmethod
    def prompt(self) -> Arrays:
        """The text that a caption is generated from: prompt_ids, prompt_mask."""

    def misfit(self, answer: str, max_tokens: int) -> str:
        """The fault of a text that is no answer of at most max_tokens (task.max_answer_tokens); "" for one that is."""
        pieces, fits = self.num_pieces(answer), max_tokens - self.num_added
        return "" if 0 < pieces <= fits else f"has {pieces} word pieces, 1 to {fits} fit task.max_answer_tokens"

    def check_choices(self, choices: Sequence[str], max_tokens: int) -> None:
        """Raise ValueError for a choice that is no answer of at most max_tokens."""
        for choice in choices:
            if misfit := self.misfit(choice, max_tokens):
                raise ValueError(f"choice {choice!r} {misfit}")

    def plain(self, text: str, max_tokens: int = 512) -> str:
        """A text as `decode` gives it, so that case, accents and spaces are no differences."""
        return self.decode(self.answer(text, max_tokens)["answer_ids"])
