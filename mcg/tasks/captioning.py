"""Captions of videos: MSR-VTT, MSVD.

Trained on pairs of a clip and one of its captions. In evaluation an element is a video with all its captions: the model
writes one (Model.caption), which is compared with them by the field's numbers (mcg/metrics/captions.py); CIDEr selects
the best checkpoint. Without Java nothing is scored, and nothing selected: captions are written all the same.

A video that cannot be shown has the empty caption, where its references are known. One without references is captioned
and not scored.
"""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from mcg import distributed
from mcg.answering.generation import Written, writing_plan, written
from mcg.metrics.captioning.checks import CaptionError
from mcg.metrics.captioning.coco_files import read_captions
from mcg.metrics.captioning.java import LIMIT_S, JavaError
from mcg.metrics.captions import caption_scores
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import VideoStates
from mcg.scoring.submission import Submission, captions
from mcg.tasks.config import CaptioningConfig
from mcg.tasks.dataset_records import dataset_records
from mcg.tasks.task import LONG_TEXT, Scores, Task, caption_of, text_of, video_id
from shards import Batch, EncodedClip, Sample
from shards.base import say
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip
from shards.storage import is_remote


class Captioning(Task):
    """See the module."""

    name = "captioning"
    config: CaptioningConfig

    def check_model(self, model: ModelConfig) -> None:
        if (missing := model.missing("caption")) is not None:
            raise ValueError(f"task.name is 'captioning': {missing}")

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        plan = plan_clip(sample.facts, clip, rng("clip"))
        if not training:
            references = [caption for record in sample.records if (caption := text_of(record, "caption"))]
            meta = {"id": video_id(sample), "references": references}
            return EncodedClip(sample.media, sample.facts.kind, plan, self.texts.prompt(), meta)
        caption = caption_of(sample, sample.record, sample.record_index, self.texts)
        arrays = self.texts.caption(caption, self.config.max_text_tokens, self.config.masked_share, rng("mask"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, {"caption": caption})

    def made_up_record(self) -> dict[str, Any]:
        return {"caption": LONG_TEXT}

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        found = self.captions(model, model.encode_video(inputs["frames"]), inputs)
        return [
            {
                "id": meta.get("id"),
                "prediction": best.text,
                "score": best.score,
                "ended": best.ended,
                "references": meta.get("references", []),
                "origin": str(origin),
            }
            for meta, origin, (best, *_) in zip(batch.meta, batch.origins, found, strict=True)
        ]

    def captions(
        self, model: Model, video: VideoStates, prompt: dict[str, Tensor], count: int = 1
    ) -> list[list[Written]]:
        """Captions of each video, the best first, up to `count` of num_beams. prompt: Texts.prompt as tensors of B
        rows."""
        plan = writing_plan(self.texts, self.config.num_beams, self.config.max_caption_tokens, count)
        found = model.caption(model.encode_text(prompt["prompt_ids"], prompt["prompt_mask"].bool()), video, plan)
        return written(found, plan, self.texts, self.config.compat)

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        told = [*predictions, *(failure for failure in failures if "id" in failure)]
        _check_ids(told)
        distributed.doing("scoring", f"{len(predictions)} captions", patience=LIMIT_S)
        # Java, once for all ranks
        found: _Found = distributed.gather_objects([self._found(told)] if distributed.rank() == 0 else [])[0]
        for prediction in predictions:
            prediction |= found.by_video.get(prediction["id"], {})
        unscored = sum(not one["references"] for one in told)
        metrics = {
            **found.metrics,
            **({"absent": found.absent} if found.absent else {}),
            "unfinished": sum(not p["ended"] for p in predictions) / max(1, len(predictions)),
            "num_scored": len(predictions),
            "num_failed": len(failures),
            "num_without_references": unscored,
        }
        headline = ("CIDEr", float(metrics["CIDEr"])) if "CIDEr" in metrics else None
        return Scores(metrics, predictions, failures, headline)

    def _found(self, told: list[dict[str, Any]]) -> _Found:
        # in an order that is the same for any number of ranks: intervals are drawn by number
        known = sorted((one for one in told if one["references"]), key=lambda one: str(one["id"]))
        references = {one["id"]: one["references"] for one in known}
        given = {one["id"]: one.get("prediction", "") for one in known}
        try:
            scores = caption_scores(references, given, self._learnt, with_meteor=self.config.meteor, keep_empty=True)
        except (CaptionError, JavaError) as error:
            say(f"captions are written and not scored: {error}", sys.stderr)
            return _Found({}, {}, {"captions": str(error)})
        return _Found(scores.metrics, scores.by_video, scores.absent)

    @cached_property
    def _learnt(self) -> list[str]:
        """The captions of training, where they are known."""
        place = self.config.training_captions
        if place is None:
            return []
        if is_remote(place) or Path(place).expanduser().is_dir():
            return [caption for record in dataset_records(place) if (caption := text_of(record, "caption"))]
        return [text for texts in read_captions(Path(place).expanduser()).texts.values() for text in texts]

    def submission(self, scores: Scores) -> Submission:
        return captions([*scores.predictions, *(failure for failure in scores.failures if "id" in failure)])


class _Found(NamedTuple):
    """What the metrics say, or why they say nothing."""

    metrics: dict[str, Any]
    by_video: dict[str, dict[str, float]]
    absent: dict[str, str]


def _check_ids(told: list[dict[str, Any]]) -> None:
    """Raise ValueError where two samples say that they are one video."""
    first: dict[str, str] = {}
    for one in told:
        other = first.setdefault(one["id"], one["origin"])
        if other != one["origin"]:
            raise ValueError(
                f"{other} and {one['origin']} have one video id, {one['id']!r}; give each video one sample with all "
                "its captions"
            )
