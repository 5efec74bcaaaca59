"""Pre-training on captioned clips and pictures: contrast, token contrast, masked words, caption generation.

The example holds the caption's ids, their words, and a masked copy (docs/facts/mcg_alpro.md 2.2: 15 % of the pieces, at
least one; 80 % [MASK], 10 % a random piece, 10 % kept). Evaluated by matching the videos of a split with its captions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from mcg.metrics.retrieval import recall
from mcg.model.model import Model
from mcg.tasks.config import PretrainConfig
from mcg.tasks.task import Scores, Task, text_of
from mcg.text.wordpiece import NO_LABEL, Ids, TextCodec
from shards import Batch, EncodedClip, Sample, SampleError
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip


class Pretrain(Task):
    """See the module."""

    name = "pretrain"

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__(config)
        self.config = config

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        caption = text_of(sample.record, "caption")
        if not caption:
            raise SampleError(sample.origin, f"record {sample.record_index}: no caption in {sorted(sample.record)}")
        ids = self.codec.encode(caption, self.config.max_text_tokens)
        masked, labels = mask_pieces(ids, self.config.masked_share, self.codec, rng("mask"))
        answer = self.codec.encode(caption, self.config.max_text_tokens, first=self.codec.dec)
        prompt = np.array([self.codec.enc, self.codec.sep], dtype=np.int64)
        arrays = {
            "text_ids": ids,
            "text_mask": np.ones(len(ids), np.int64),
            "text_words": self.codec.words(ids),
            "masked_ids": masked,
            "masked_labels": labels,
            "prompt_ids": prompt,
            "prompt_mask": np.ones(len(prompt), np.int64),
            "answer_ids": answer,
            "answer_mask": np.ones(len(answer), np.int64),
        }
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, {"caption": caption})

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        video = model.video_features(model.encode_video(inputs["frames"]))
        text = model.text_features(model.encode_text(inputs["text_ids"], inputs["text_mask"].bool(), contrastive=True))
        return [
            {"caption": meta.get("caption"), "origin": str(origin), "video": v, "text": t}
            for meta, origin, v, t in zip(batch.meta, batch.origins, video.tolist(), text.tolist(), strict=True)
        ]

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        video = np.array([p.pop("video") for p in predictions], np.float32)
        text = np.array([p.pop("text") for p in predictions], np.float32)
        captions = [str(p["caption"]) for p in predictions]
        metrics = recall(video, text, captions, ranks=(1, 5, 10), num_failed=len(failures))
        mean = float(np.mean([share for direction in metrics.values() for share in direction.values()]))
        metrics = {**metrics, "mean_recall": mean, "num_scored": len(predictions), "num_failed": len(failures)}
        return Scores(metrics, predictions, failures, ("mean_recall", mean))


def mask_pieces(ids: Ids, share: float, codec: TextCodec, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """(masked ids, labels: the pieces to predict, NO_LABEL elsewhere), each int64 (L,).

    Specials are never masked. At least one piece is chosen, so that no batch is without a target.
    """
    candidates = np.flatnonzero([int(i) not in codec.special for i in ids])
    masked, labels = ids.copy(), np.full_like(ids, NO_LABEL)
    if not len(candidates):
        labels[-1] = ids[-1]  # a caption without a word: predict [SEP], which is in view
        return masked, labels
    chosen = candidates[rng.random(len(candidates)) < share]
    if not len(chosen):
        chosen = candidates[rng.integers(len(candidates), size=1)]
    fate = rng.random(len(chosen))
    other = rng.integers(codec.num_words, size=len(chosen))
    masked[chosen] = np.where(fate < 0.8, codec.mask, np.where(fate < 0.9, other, ids[chosen]))
    labels[chosen] = ids[chosen]
    return masked, labels
