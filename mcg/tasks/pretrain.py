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
from mcg.tasks.task import LONG_TEXT, Scores, Task, caption_of
from shards import Batch, EncodedClip, Sample
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip


class Pretrain(Task):
    """See the module."""

    name = "pretrain"
    config: PretrainConfig

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        caption = caption_of(sample, sample.record, sample.record_index, self.texts)
        longest = self.config.max_text_tokens
        arrays = {
            **self.texts.pair(caption, longest),
            **self.texts.cloze(caption, longest, self.config.masked_share, rng("mask")),
            **self.texts.continuation(caption, longest, rng("continuation")),
            **self.texts.prompt(),
            **self.texts.answer(caption, longest),
            "is_image": np.array([sample.facts.kind == "image"], np.int64),
        }
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, {"caption": caption})

    def made_up_record(self) -> dict[str, Any]:
        return {"caption": LONG_TEXT}

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
