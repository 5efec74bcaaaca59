"""The parts that question tasks share: fields of a record, clips that are encoded once each, types of questions.

Questions about one clip stand together in an evaluation. In a batch the loader decodes their clip once, and it is
encoded once: slots of the same origin whose frames are equal share one pass of the visual encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mcg.answering.asked import Asked
from mcg.model.model import Model
from mcg.tasks.task import label_of, text_of
from mcg.text.texts import Texts
from shards import Origin, Sample, SampleError

FAILED_TYPE = "failed"
"""Type of questions whose record could not be read."""


def question_meta(sample: Sample, needed: Sequence[str]) -> dict[str, Any]:
    """question, answer, type and id of a record, and its further right answers where it has any. Raises SampleError
    naming the record where one of the `needed` fields has no text."""
    record = sample.record
    missing = [name for name in needed if not (label_of if name == "answer" else text_of)(record, name)]
    if missing:
        raise SampleError(
            sample.origin, f"record {sample.record_index}: no {' and no '.join(missing)} in {sorted(record)}"
        )
    meta: dict[str, Any] = {
        "question": text_of(record, "question"),
        "answer": label_of(record, "answer"),
        "type": label_of(record, "type") or "all",
        "id": label_of(record, "id") or f"{sample.origin}#{sample.record_index}",
    }
    answers = record.get("answers")
    if answers is not None:
        if not isinstance(answers, list) or not all(isinstance(answer, str) and answer.strip() for answer in answers):
            raise SampleError(
                sample.origin,
                f"record {sample.record_index}: answers must be a list of texts, found {str(answers)[:60]}",
            )
        meta["answers"] = [answer.strip() for answer in answers]
    return meta


def check_answer(sample: Sample, answer: str, texts: Texts, max_tokens: int) -> None:
    """Raise SampleError for the answer of a record that cannot be generated whole."""
    if misfit := texts.misfit(answer, max_tokens):
        raise SampleError(sample.origin, f"record {sample.record_index}: the answer {answer!r} {misfit}")


def _same_clips(origins: Sequence[Origin], frames_BTHWC: Tensor) -> list[int]:
    """B numbers: for each slot the first slot that shows the same clip (same origin, equal frames)."""
    first: dict[Origin, int] = {}
    candidate = [first.setdefault(origin, slot) for slot, origin in enumerate(origins)]
    if len(first) == len(origins):
        return candidate
    # a later plan of the same video differs from the first, and so is a clip of its own
    equal = (frames_BTHWC == frames_BTHWC[candidate]).flatten(1).all(1).tolist()
    return [other if same else slot for slot, (other, same) in enumerate(zip(candidate, equal, strict=True))]


def ask(model: Model, origins: Sequence[Origin], inputs: dict[str, Tensor]) -> Asked:
    """Questions about clips, each different one of which is encoded once; B rows."""
    owner = _same_clips(origins, inputs["frames"])
    slots = sorted(set(owner))
    video = model.encode_video(inputs["frames"][slots] if len(slots) < len(owner) else inputs["frames"])
    if len(slots) < len(owner):
        place = {slot: number for number, slot in enumerate(slots)}
        video = video.rows(torch.tensor([place[slot] for slot in owner], device=inputs["frames"].device))
    return Asked(model, video, inputs)


def asked_types(predictions: Sequence[dict[str, Any]], failures: Sequence[dict[str, Any]]) -> list[str]:
    """Types of all questions, the failed ones last."""
    return [str(asked.get("type", FAILED_TYPE)) for asked in [*predictions, *failures]]
