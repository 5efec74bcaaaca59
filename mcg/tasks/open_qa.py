"""Open-ended video question answering by generation (MCG, facts/mcg_alpro.md 3.4).

The question, [ENC] first, is encoded, fused with the clip, and the decoder writes the answer; an answer is right when
it equals the reference as text. Accuracy is reported overall and by question type, beside what always giving the
commonest answer of each type would score.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field
from torch import Tensor

from mcg.metrics.accuracy import accuracy, commonest_answer_accuracy
from mcg.model.mcg import MCG
from mcg.tasks.task import ClipTaskConfig, Scores, Task, text_of
from shards import Batch, EncodedClip, Sample, SampleError
from shards.clip import ClipConfig, plan_clip
from shards.loader import RngFactory


class OpenQAConfig(ClipTaskConfig):
    """Open-ended question answering."""

    name: Literal["open_qa"]
    """This task."""
    max_question_tokens: int = Field(default=40, ge=4)
    """Longest question in tokens, [ENC] and [SEP] included; longer ones are cut."""
    max_answer_tokens: int = Field(default=10, ge=3)
    """Longest answer in tokens, [DEC] and [SEP] included; a longer reference is refused in training."""
    num_beams: int = Field(default=3, ge=1)
    """Beams of the search."""


class OpenQA(Task):
    """See the module."""

    name = "open_qa"

    def __init__(self, config: OpenQAConfig) -> None:
        super().__init__(config)
        self.config = config

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        record = sample.record
        question, answer = text_of(record, "question"), text_of(record, "answer")
        missing = [name for name, text in (("question", question), ("answer", answer)) if not text]
        if missing:
            raise SampleError(
                sample.origin, f"record {sample.record_index}: no {' and no '.join(missing)} in {sorted(record)}"
            )
        pieces = self.codec.num_pieces(answer)
        if training and not 0 < pieces <= self.config.max_answer_tokens - 2:
            raise SampleError(
                sample.origin,
                f"record {sample.record_index}: the answer {answer!r} has {pieces} word pieces, "
                f"1 to {self.config.max_answer_tokens - 2} fit task.max_answer_tokens",
            )
        ids = self.codec.encode(question, self.config.max_question_tokens, first=self.codec.enc)
        answer_ids = self.codec.encode(answer, self.config.max_answer_tokens, first=self.codec.dec)
        arrays = {
            "text_ids": ids,
            "text_mask": np.ones(len(ids), np.int64),
            "answer_ids": answer_ids,
            "answer_mask": np.ones(len(answer_ids), np.int64),
        }
        meta = {
            "question": question,
            "answer": answer,
            "type": text_of(record, "type") or "all",
            "id": text_of(record, "id") or f"{sample.origin}#{sample.record_index}",
        }
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, meta)

    def predict(self, model: MCG, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        text = model.encode_text(inputs["text_ids"], inputs["text_mask"].bool())
        answers = model.generate(
            model.fuse(text, model.encode_video(inputs["frames"])),
            start_id=self.codec.dec,
            end_id=self.codec.sep,
            pad_id=self.codec.pad,
            num_beams=self.config.num_beams,
            max_tokens=self.config.max_answer_tokens,
        )
        return [
            {**meta, "prediction": self.codec.decode(ids), "origin": str(origin)}
            for meta, origin, ids in zip(batch.meta, batch.origins, answers.ids_BA.cpu().numpy(), strict=True)
        ]

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, str]]) -> Scores:
        # A failed element still counts: as a wrong answer, of its type where its record could be read.
        asked = [*predictions, *failures]
        answers = [str(p.get("answer", "")) for p in asked]
        types = [str(p.get("type", "failed")) for p in asked]
        given = [str(p["prediction"]) for p in predictions] + ["<failed>"] * len(failures)
        metrics = {
            "accuracy": accuracy(given, answers, types),
            "baseline": commonest_answer_accuracy(answers, types),
            "num_scored": len(predictions),
            "num_failed": len(failures),
        }
        return Scores(metrics, predictions, failures)
