"""Counts what passes a model: videos, texts and pairs, whoever calls it."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mcg.model.model import Model
from mcg.model.states import TextStates, VideoStates


class Counted:
    """The rows that pass a model's verbs; with `chunks`, also which pairs, by what they are made of."""

    def __init__(self, model: Model, chunks: list[list[str]] | None = None) -> None:
        self.rows: Counter[str] = Counter()
        encode_video, encode_text, fuse = model.encode_video, model.encode_text, model.fuse

        def video(frames: Tensor, **given: Any) -> Any:
            self.rows["video"] += len(frames)
            return encode_video(frames, **given)

        def text(ids: Tensor, mask: Tensor, **given: Any) -> Any:
            self.rows["text"] += len(ids)
            return encode_text(ids, mask, **given)

        def fusion(texts: TextStates, videos: VideoStates) -> Any:
            self.rows["fusion"] += len(texts.mask_BL)
            if chunks is not None:
                rows = zip(texts.states_BLD, texts.mask_BL.bool(), videos.tokens_BVD, strict=True)
                chunks.append([_digest(states[mask]) + _digest(tokens) for states, mask, tokens in rows])
            return fuse(texts, videos)

        model.encode_video, model.encode_text, model.fuse = video, text, fusion  # type: ignore[method-assign]

    def flops(self, each: dict[str, int]) -> float:
        return float(sum(each[name] * rows for name, rows in self.rows.items()))


class Turn(NamedTuple):
    """What one way has given in all rounds."""

    result: Any
    rows: Counter[str]
    """That have passed the model, in the last round."""
    cpu_s: list[float]


def in_turns(counted: Counted, ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Turn]:
    """All ways in each round, without gradients."""
    turns: dict[str, Turn] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            counted.rows.clear()
            began = time.process_time()
            with torch.inference_mode():
                result = way()
            seconds = turns[name].cpu_s if name in turns else []
            turns[name] = Turn(result, Counter(counted.rows), [*seconds, time.process_time() - began])
    return turns


def _digest(tensor: Tensor) -> str:
    return hashlib.blake2b(tensor.contiguous().numpy().tobytes(), digest_size=8).hexdigest()
