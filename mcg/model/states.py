"""The states that a model's verbs return: of videos, of texts, and of texts fused with videos.

Every kind has masks (True at real tokens) and `rows`, which chooses samples, each any number of times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


class VideoStates(NamedTuple):
    """States of the videos of a batch."""

    tokens_BVD: Tensor
    mask_BV: Tensor
    attention_BTP: Tensor | None = None
    """Attention of the video's summary to each patch of each frame, detached; None unless it was asked for."""
    parts: dict[str, Tensor] | None = None
    """Further states of one kind of model by name, each with B rows; an objective that reads one says so in `needs`.
    `fuse` reads none."""

    def rows(self, index_N: Tensor) -> VideoStates:
        """The samples index_N (int64), in that order."""
        parts = None if self.parts is None else {name: part[index_N] for name, part in self.parts.items()}
        attention = None if self.attention_BTP is None else self.attention_BTP[index_N]
        return VideoStates(self.tokens_BVD[index_N], self.mask_BV[index_N], attention, parts)

    def to(self, device: torch.device) -> VideoStates:
        """The same on a device, without attention and parts, which objectives alone read."""
        return VideoStates(self.tokens_BVD.to(device), self.mask_BV.to(device))


class TextStates(NamedTuple):
    """States of the texts of a batch."""

    states_BLD: Tensor
    mask_BL: Tensor
    attention_BL: Tensor | None = None
    """Attention of the text's summary to each token, detached; None unless it was asked for."""
    slot_B: Tensor | None = None
    """Place of the token at which the model reads an answer, int64; None for a model that has no such token."""
    prefix_B: Tensor | None = None
    """Tokens before the text proper, an instruction, int64; None where no text has any."""

    def rows(self, index_N: Tensor) -> TextStates:
        """The samples index_N (int64), in that order."""
        rest = (None if part is None else part[index_N] for part in self[2:])
        return TextStates(self.states_BLD[index_N], self.mask_BL[index_N], *rest)

    def padded(self, L: int) -> TextStates:
        """The same with L tokens, not fewer than there are; without the attention."""
        more = L - self.mask_BL.shape[1]
        states_BLD = functional.pad(self.states_BLD, (0, 0, 0, more))
        return TextStates(states_BLD, functional.pad(self.mask_BL, (0, more)), None, self.slot_B, self.prefix_B)

    @staticmethod
    def joined(texts: Sequence[TextStates]) -> TextStates:
        """All of them one after the other, padded to the longest; without the attention."""
        L = max(text.mask_BL.shape[1] for text in texts)
        states, mask, _, slot, prefix = zip(*(text.padded(L) for text in texts), strict=True)
        return TextStates(torch.cat(states), torch.cat(mask), None, _joined(slot), _joined(prefix))


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The parts one after the other; None where they are absent."""
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None


class Fused(NamedTuple):
    """Texts that have seen their videos, and the videos' states after it, in whatever order the model fused them."""

    text_BLD: Tensor
    text_mask_BL: Tensor
    video_BVD: Tensor
    video_mask_BV: Tensor
    slot_B: Tensor | None = None
    """As in TextStates."""

    def at_slot(self) -> Tensor:
        """States (B, D) of the tokens at which answers are read."""
        assert self.slot_B is not None
        return self.text_BLD[torch.arange(len(self.slot_B), device=self.slot_B.device), self.slot_B]

    @staticmethod
    def joined(parts: Sequence[Fused]) -> Fused:
        """All of them one after the other, texts padded to the longest."""
        text = TextStates.joined([TextStates(part.text_BLD, part.text_mask_BL, None, part.slot_B) for part in parts])
        video_BVD = torch.cat([part.video_BVD for part in parts])
        video_mask_BV = torch.cat([part.video_mask_BV for part in parts])
        return Fused(text.states_BLD, text.mask_BL, video_BVD, video_mask_BV, text.slot_B)

    def rows(self, index_N: Tensor) -> Fused:
        """The samples index_N (int64), in that order."""
        slot_B = None if self.slot_B is None else self.slot_B[index_N]
        text, text_mask, video, video_mask = (part[index_N] for part in self[:4])
        return Fused(text, text_mask, video, video_mask, slot_B)


@dataclass(frozen=True)
class GenerationPlan:
    """The settings of generation: beam search from start_id to end_id, scores divided by length.

    num_answers: the best ones of a sample, which follow each other, at most num_beams. max_tokens counts start_id;
    min_tokens, start_id included, come before end_id.
    """

    start_id: int
    end_id: int
    pad_id: int
    num_beams: int
    max_tokens: int
    min_tokens: int = 1
    num_answers: int = 1


class Generated(NamedTuple):
    """Answers that a model has generated, num_answers rows for every sample."""

    ids_BA: Tensor
    """int64, start included, padded."""
    scores_B: Tensor
    """float32, mean log-probability of an answer's tokens, the start not counted and the end counted."""
