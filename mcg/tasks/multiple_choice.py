"""Multiple-choice video question answering: NExT-QA, and TGIF-QA's actions and transitions.

The question, [ENC] first, is encoded and fused with the clip once; the decoder says how likely each choice is as the
answer, and the likeliest is given. Trained by generating the right choice (objectives.generation). The released code
has fragments of another way only (docs/facts/mcg_alpro.md 3.4), so this one is ours. A failed question is wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from mcg.metrics.accuracy import accuracy
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused
from mcg.scoring.submission import Submission, submission
from mcg.tasks.config import MultipleChoiceConfig
from mcg.tasks.open_qa import likelihoods
from mcg.tasks.question import asked_types, fuse_questions, ones, question_arrays, question_meta
from mcg.tasks.task import Scores, Task
from shards import Batch, EncodedClip, Sample, SampleError
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip


class MultipleChoice(Task):
    """See the module."""

    name = "multiple_choice"

    def __init__(self, config: MultipleChoiceConfig) -> None:
        super().__init__(config)
        self.config = config

    def check_model(self, model: ModelConfig) -> None:
        if (missing := model.missing("decode")) is not None:
            raise ValueError(f"task multiple_choice needs a decoder: {missing}")

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        meta = question_meta(sample, ("question",))
        choices, right = self._choices(sample)
        longest = self.config.max_answer_tokens
        pieces = self.codec.num_pieces(choices[right])
        if training and not 0 < pieces <= longest - 2:
            raise SampleError(
                sample.origin,
                f"record {sample.record_index}: the answer {choices[right]!r} has {pieces} word pieces, "
                f"1 to {longest - 2} fit task.max_answer_tokens",
            )
        arrays = question_arrays(meta["question"], self.codec, self.config.max_question_tokens)
        coded = [self.codec.encode(choice, longest, first=self.codec.dec) for choice in choices]
        if training:
            arrays |= {"answer_ids": coded[right], "answer_mask": ones(coded[right])}
        else:
            choice_ids = np.full((len(coded), longest), self.codec.pad, np.int64)
            for row, one in zip(choice_ids, coded, strict=True):
                row[: len(one)] = one
            arrays["choice_ids"] = choice_ids
            arrays["choice_tokens"] = np.array([len(one) for one in coded])
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

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        fused = fuse_questions(model, batch.origins, inputs)
        B, N, A = len(batch), self.config.num_choices, self.config.max_answer_tokens
        ids_NA = inputs["choice_ids"][:, :, :A].reshape(B * N, A)
        tokens_N = inputs["choice_tokens"][:, :N].reshape(B * N)
        at_A = ids_NA.new_tensor(range(A))
        mask_NA = (at_A < tokens_N[:, None]).long()
        row_N = ids_NA.new_tensor(range(B)).repeat_interleave(N)
        scores = self.choice_scores(model, fused, ids_NA, mask_NA, row_N).view(B, N)
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

    def choice_scores(self, model: Model, fused: Fused, ids_NA: Tensor, mask_NA: Tensor, row_N: Tensor) -> Tensor:
        """float32 (N,): how well choice n answers question row_N[n] of the fused ones, by `likelihood`."""
        scores_N = likelihoods(model, fused, ids_NA, mask_NA, row_N)
        return scores_N / (mask_NA.sum(1) - 1) if self.config.likelihood == "mean" else scores_N  # the first is given

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        given = [str(p["prediction_index"]) for p in predictions] + ["<failed>"] * len(failures)
        answers = [str(asked.get("answer_index", "")) for asked in [*predictions, *failures]]
        metrics: dict[str, Any] = {
            "accuracy": accuracy(given, answers, asked_types(predictions, failures), self.config.groups),
            "baseline": {"overall": 1 / self.config.num_choices},
            "num_scored": len(predictions),
            "num_failed": len(failures),
        }
        return Scores(metrics, predictions, failures, ("accuracy.overall", float(metrics["accuracy"]["overall"])))

    def submission(self, scores: Scores) -> Submission:
        return submission(scores.predictions, scores.failures, self.config.submission)
