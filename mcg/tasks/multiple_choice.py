"""Multiple-choice video question answering: NExT-QA, and TGIF-QA's actions and transitions.

The question is encoded and fused with the clip once, and one of its choices is given (mcg/answering/choice.py). A
failed question is wrong.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mcg.answering import CHOOSINGS
from mcg.answering.choice import Choosing
from mcg.metrics.accuracy import accuracy
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.scoring.submission import Submission, submission
from mcg.tasks.config import MultipleChoiceConfig
from mcg.tasks.question import ask, asked_types, check_answer, question_meta
from mcg.tasks.task import LONG_TEXT, Scores, Task
from mcg.text.texts import Texts
from shards import Batch, EncodedClip, Sample, SampleError
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip


class MultipleChoice(Task):
    """See the module."""

    name = "multiple_choice"
    config: MultipleChoiceConfig

    def __init__(self, config: MultipleChoiceConfig, texts: Texts) -> None:
        super().__init__(config, texts)
        self.choosing: Choosing = CHOOSINGS[config.choosing](config, texts)

    def check_model(self, model: ModelConfig) -> None:
        self.choosing.check(model)

    def completed(self, model: ModelConfig) -> ModelConfig:
        return self.choosing.completed(model)

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        meta = question_meta(sample, ("question",))
        choices, right = self._choices(sample)
        if training and self.config.choosing == "likelihood":
            check_answer(sample, choices[right], self.texts, self.config.max_answer_tokens)
        try:
            arrays = self.choosing.question(meta["question"], choices, right, training)
        except ValueError as error:
            raise SampleError(sample.origin, f"record {sample.record_index}: {error}") from error
        if not training and self.choosing.cuts(meta["question"], choices):
            meta["cut"] = True
        meta |= {"answer": choices[right], "answer_index": right, "choices": choices}
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, meta)

    def _choices(self, sample: Sample) -> tuple[list[str], int]:
        """The choices of a record and the number of the right one. Raises SampleError."""
        record, where = sample.record, f"record {sample.record_index}"
        choices, right = record.get("choices"), record.get("answer_index")
        if (
            not isinstance(choices, list)
            or len(choices) != self.config.num_choices
            or not all(isinstance(choice, str) and choice.strip() for choice in choices)
        ):
            raise SampleError(
                sample.origin,
                f"{where}: choices must be {self.config.num_choices} texts (task.num_choices), "
                f"found {str(choices)[:100]}",
            )
        if isinstance(right, bool) or not isinstance(right, int) or not 0 <= right < len(choices):
            raise SampleError(
                sample.origin, f"{where}: answer_index must be 0 to {len(choices) - 1}, found {str(right)[:40]}"
            )
        return [choice.strip() for choice in choices], right

    def made_up_record(self) -> dict[str, Any]:
        choices = ["a"] * self.config.num_choices
        return {"question": LONG_TEXT, "choices": choices, "answer_index": 0, "type": "what"}

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        scores = self.choosing.scores(ask(model, batch.origins, inputs))
        return [
            {
                **meta,
                "prediction": meta["choices"][best],
                "prediction_index": best,
                "scores": row,
                "origin": str(origin),
            }
            if "choices" in meta
            else {}  # a failed slot or padding, which the caller drops
            for meta, origin, best, row in zip(
                batch.meta, batch.origins, scores.argmax(1).tolist(), scores.tolist(), strict=True
            )
        ]

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        given = [str(p["prediction_index"]) for p in predictions] + ["<failed>"] * len(failures)
        answers = [str(asked.get("answer_index", "")) for asked in [*predictions, *failures]]
        for p in predictions:
            p["right"] = p["prediction_index"] == p["answer_index"]
        metrics: dict[str, Any] = {
            "accuracy": accuracy(given, answers, asked_types(predictions, failures), self.config.groups),
            "baseline": {"overall": 1 / self.config.num_choices},
            "num_scored": len(predictions),
            "num_failed": len(failures),
            "num_cut": sum(p.get("cut", False) for p in predictions),
        }
        return Scores(metrics, predictions, failures, ("accuracy.overall", float(metrics["accuracy"]["overall"])))

    def submission(self, scores: Scores) -> Submission:
        return submission(scores.predictions, scores.failures, self.config.submission)
