"""Choosing by number: all choices stand in the question, each with its number, and the word at [MASK] is one of these.

LAVENDER chooses so among answers (docs/facts/lavender.md 2). Trained by objectives.masked_lm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mcg.answering.asked import Asked
from mcg.answering.choice import Choosing
from mcg.model.config import ModelConfig
from mcg.tasks.config import MultipleChoiceConfig
from mcg.text.masked_words import MaskedWords
from mcg.text.texts import NO_LABEL, NO_LIMIT, Arrays, Ids, Texts


class NumberedChoice(Choosing):
    """See the module. The score is the logit of the number; as released, divided by the sum over the numbers, which
    turns the order around where that is negative. Raises ValueError for texts without [MASK]."""

    def __init__(self, config: MultipleChoiceConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        if not isinstance(texts, MaskedWords):
            raise ValueError(f"task.choosing is {config.choosing!r}, which needs model.name: lavender")
        self._words = texts
        self._numbers = torch.tensor([texts.word_id(str(number)) for number in range(config.num_choices)])

    def check(self, model: ModelConfig) -> None:
        if (missing := model.missing("slot")) is not None:
            raise ValueError(f"choosing by number reads at [MASK]: {missing}")

    def check_choices(self, choices: Sequence[str]) -> None:
        if len(choices) > len(self._numbers):
            raise ValueError(f"{len(choices)} choices, and this model numbers {len(self._numbers)} (task.num_choices)")

    def question(self, text: str, choices: Sequence[str], right: int, training: bool) -> Arrays:
        arrays = self.asked(text, choices)
        labels: Ids = np.full_like(arrays["text_ids"], NO_LABEL)
        labels[arrays["text_ids"] == self._words.mask_id] = self._numbers[right]
        asked = {"masked_ids": arrays["text_ids"], "masked_mask": arrays["text_mask"], "masked_labels": labels}
        return asked if training else arrays

    def asked(self, text: str, choices: Sequence[str]) -> Arrays:
        """A question with its choices."""
        cut = self.config.compat == "released"
        return self._words.options(text, choices, self.config.max_question_tokens, cut)

    def cuts(self, text: str, choices: Sequence[str]) -> bool:
        """As released; otherwise what is too long is refused."""
        asked = self.asked(text, choices)
        return len(asked["text_ids"]) < len(self._words.options(text, choices, NO_LIMIT)["text_ids"])

    def scores(self, asked: Asked) -> Tensor:
        logits_BN = asked.model.token_logits(asked.fused.at_slot()).float()[
            :, self._numbers.to(asked.video.mask_BV.device)
        ]
        return logits_BN / logits_BN.sum(1, keepdim=True) if self.config.compat == "released" else logits_BN
