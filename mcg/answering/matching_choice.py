"""Choosing by matching: every choice is a text of its own, and the one that fits the video best is given.

LAVENDER chooses so among captions (docs/facts/lavender.md 2); any model that tells matching pairs can. Trained by
objectives.choice_matching.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mcg.answering.asked import Asked
from mcg.answering.choice import Choosing
from mcg.model.config import ModelConfig
from mcg.text.texts import Arrays


class MatchingChoice(Choosing):
    """See the module. The score is the difference of the logits of match and no match; as released, where the model
    answers with words, the share of "true" in the sum of the two, which is no probability and misleads where logits are
    small or negative."""

    def check(self, model: ModelConfig) -> None:
        for verb in ("fuse", "match_logits"):
            if (missing := model.missing(verb)) is not None:
                raise ValueError(f"choosing by matching: {missing}")

    def question(self, text: str, choices: Sequence[str], right: int, training: bool) -> Arrays:
        options = [self.texts.option(one, self.config.max_question_tokens) for one in self._whole(text, choices)]
        length = max(len(option["text_ids"]) for option in options)
        arrays = {f"choice_{part}": np.zeros((len(options), length), np.int64) for part in ("ids", "mask")}
        for row, option in enumerate(options):
            for part in ("ids", "mask"):
                arrays[f"choice_{part}"][row, : len(option["text_ids"])] = option[f"text_{part}"]
        return arrays | {"choice_right": np.array([right])}

    def _whole(self, text: str, choices: Sequence[str]) -> list[str]:
        return [f"{text} {choice}" if self.config.with_question else choice for choice in choices]

    def cuts(self, text: str, choices: Sequence[str]) -> bool:
        longest = self.config.max_question_tokens - 2  # [CLS] and [SEP]
        return any(self.texts.num_pieces(one) > longest for one in self._whole(text, choices))

    def scores(self, asked: Asked) -> Tensor:
        return torch.stack([self._scores(asked, n) for n in range(asked.inputs["choice_ids"].shape[1])], 1)

    def _scores(self, asked: Asked, n: int) -> Tensor:
        """float32 (B,) of the n-th choices."""
        text = asked.model.encode_text(asked.inputs["choice_ids"][:, n], asked.inputs["choice_mask"][:, n].bool())
        logits_BK, no, yes = asked.model.match_words(asked.model.fuse(text, asked.video))
        no_B, yes_B = logits_BK[:, no].float(), logits_BK[:, yes].float()
        as_released = self.config.compat == "released" and logits_BK.shape[1] > 2
        return yes_B / (yes_B + no_B) if as_released else yes_B - no_B
