"""Open-ended video question answering: MSRVTT-QA, MSVD-QA, NExT-QA open-ended, ActivityNet-QA, TGIF-QA frame questions.

The question is encoded and fused with the clip, and answered in the way that `answering` names (mcg/answering/).

An answer is right when it equals the reference, or one of several, as text; with `metric: wups` it is scored by
similarity (mcg/metrics/wups.py). Scores are reported overall, by question type and by group, beside what always giving
the commonest answer of each type would score. A failed question is wrong.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from mcg.answering import ANSWERINGS
from mcg.answering.answering import Answering
from mcg.metrics.accuracy import accuracy, commonest_answer_accuracy
from mcg.metrics.wordnet import WordNet
from mcg.metrics.wups import THRESHOLDS, Wups, wups_table
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.scoring.submission import Submission, submission
from mcg.tasks.config import OpenQAConfig
from mcg.tasks.question import ask, asked_types, check_answer, question_meta
from mcg.tasks.task import LONG_TEXT, Scores, Task, video_key
from mcg.text.texts import Texts
from shards import Batch, EncodedClip, Sample, SampleError
from shards.base import find_wordnet
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip


class OpenQA(Task):
    """See the module. Raises WordNetError where the metric needs WordNet and there is none."""

    name = "open_qa"
    config: OpenQAConfig

    def __init__(self, config: OpenQAConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        if config.metric == "wups":
            _wordnet_folder(config)  # missing, it is told before the first step and not after a pass over val
        self.answering: Answering = ANSWERINGS[config.answering](config, texts)

    def check_model(self, model: ModelConfig) -> None:
        self.answering.check(model)

    def completed(self, model: ModelConfig) -> ModelConfig:
        return self.answering.completed(model)

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        meta = question_meta(sample, ("question", "answer"))
        if training:
            check_answer(sample, meta["answer"], self.texts, self.config.max_answer_tokens)
        try:
            arrays = self.answering.question(meta["question"], meta["answer"] if training else None)
        except ValueError as error:
            raise SampleError(sample.origin, f"record {sample.record_index}: {error}") from error
        if training and self.answering.pairs_in_training:
            arrays["video_key"] = video_key(sample)
        if not training and self.texts.cuts(meta["question"], self.config.max_question_tokens):
            meta["cut"] = True
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, meta)

    def made_up_record(self) -> dict[str, Any]:
        return {"question": LONG_TEXT, "answer": "a", "type": "what"}

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        asked = ask(model, batch.origins, inputs)
        best = self.answering.answers(asked, 1)
        return [
            {**meta, "prediction": answers[0][0], "score": answers[0][1], **notes, "origin": str(origin)}
            for meta, origin, answers, notes in zip(
                batch.meta, batch.origins, best, self.answering.notes(asked), strict=True
            )
        ]

    @cached_property
    def _wups(self) -> Wups:
        return Wups(WordNet(_wordnet_folder(self.config)))

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        # A failed element still counts: as a wrong answer, of its type where its record could be read.
        asked = [*predictions, *failures]
        types = asked_types(predictions, failures)
        answers = [self._reference(question) for question in asked]
        given = [self.answering.plain(str(p["prediction"])) for p in predictions] + ["<failed>"] * len(failures)
        for p, told, wanted in zip(predictions, given, answers, strict=False):
            p["right"] = told == wanted
        metrics: dict[str, Any] = {
            "accuracy": accuracy(given, answers, types, self.config.groups),
            "baseline": commonest_answer_accuracy(answers, types),
            "num_scored": len(predictions),
            "num_failed": len(failures),
            "num_cut": sum(p.get("cut", False) for p in predictions),
        }
        metrics |= self.answering.measures(asked, answers, types)
        if reach := self.answering.reach(answers):
            metrics["reach"] = reach
        headline = ("accuracy.overall", float(metrics["accuracy"]["overall"]))
        if self.config.metric == "wups":
            metrics = {**self._score_wups(predictions, types), **metrics}
            headline = ("wups0.overall", float(metrics["wups0"]["overall"]))
        return Scores(metrics, predictions, failures, headline)

    def _score_wups(self, predictions: list[dict[str, Any]], types: list[str]) -> dict[str, Any]:
        thresholds = THRESHOLDS
        if self.config.compat == "released" and not any("answers" in p for p in predictions):
            thresholds = (0.0, 9.0)  # bug M9: where a split has no further references the second is 9 instead of 0.9
        scores = np.zeros((len(types), len(thresholds)))
        for number, p in enumerate(predictions):
            references = p.get("answers") or [p["answer"]]
            scores[number] = self._wups.score(str(p["prediction"]), references, str(p["type"]), thresholds)
            p["wups0"], p["wups9"] = scores[number].tolist()
        return wups_table(scores, types)

    def _reference(self, question: dict[str, Any]) -> str:
        """The right answer; of several the one that was given."""
        answers = [
            self.answering.plain(str(answer)) for answer in question.get("answers") or [question.get("answer", "")]
        ]
        given = self.answering.plain(str(question.get("prediction", "")))
        return given if given in answers else answers[0]

    def submission(self, scores: Scores) -> Submission:
        return submission(scores.predictions, scores.failures, self.config.submission)


def _wordnet_folder(config: OpenQAConfig) -> Path:
    return find_wordnet(config.wordnet, "WUPS", "task.wordnet")
