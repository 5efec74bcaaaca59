"""Open-ended video question answering: MSRVTT-QA, MSVD-QA, NExT-QA open-ended, ActivityNet-QA, TGIF-QA frame questions.

The question, [ENC] first, is encoded and fused with the clip, and the answer comes in one of three ways:

    generation       the decoder writes it, by beam search (MCG as released; docs/facts/mcg_alpro.md 3.4)
    ranking          of a list of answers, the num_candidates whose first piece the decoder finds likeliest are kept,
                     and the one of greatest likelihood as a whole is given (BLIP's "rank")
    classification   a classifier names one of a list (ALPRO; docs/facts/mcg_alpro.md 2.5)

An answer is right when it equals the reference, or one of several, as text; with `metric: wups` it is scored by
similarity (mcg/metrics/wups.py). Scores are reported overall, by question type and by group, beside what always giving
the commonest answer of each type would score. A failed question is wrong.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mcg.answering.answer_list import AnswerListError, read_answers
from mcg.metrics.accuracy import accuracy, commonest_answer_accuracy
from mcg.metrics.wups import THRESHOLDS, Wups, wups_table
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.model.states import Fused, GenerationPlan
from mcg.scoring.submission import Submission, submission
from mcg.tasks.config import OpenQAConfig
from mcg.tasks.question import asked_types, fuse_questions, ones, question_arrays, question_meta
from mcg.tasks.task import Scores, Task
from mcg.text.wordpiece import NO_LABEL
from mcg.wordnet import WordNet, find_wordnet
from shards import Batch, EncodedClip, Sample, SampleError
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip

_JOINED = re.compile(r"(?<=\w) ?([-'’/:]) ?(?=\w)")
_LONGEST = 512
"""Tokens of an answer that are compared."""
_ROWS_AT_ONCE = 512
"""Candidates whose likelihood is computed in one pass."""


class OpenQA(Task):
    """See the module. Raises WordNetError where the metric needs WordNet and there is none."""

    name = "open_qa"

    def __init__(self, config: OpenQAConfig) -> None:
        super().__init__(config)
        self.config = config
        if config.metric == "wups":
            find_wordnet(config.wordnet)  # missing, it is told before the first step and not after a pass over val
        listed = config.answer_list is not None and config.answering != "generation"
        self.answers = read_answers(str(config.answer_list), config.num_answers) if listed else ()
        self._label = {answer: number for number, answer in enumerate(self.answers)}
        self._candidates = self._encode_candidates() if config.answering == "ranking" else None

    def check_model(self, model: ModelConfig) -> None:
        if self.config.answering == "classification":
            num_classes = getattr(model, "num_classes", None)
            if num_classes is None or num_classes < len(self.answers):
                raise ValueError(
                    f"model.num_classes is {num_classes}, and task.answer_list {self.config.answer_list} has "
                    f"{len(self.answers)} answers; set it to that number or more"
                )
        elif (missing := model.missing("decode")) is not None:
            raise ValueError(f"task.answering is {self.config.answering!r}, which needs a decoder: {missing}")

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        meta = question_meta(sample, ("question", "answer"))
        pieces = self.codec.num_pieces(meta["answer"])
        if training and not 0 < pieces <= self.config.max_answer_tokens - 2:
            raise SampleError(
                sample.origin,
                f"record {sample.record_index}: the answer {meta['answer']!r} has {pieces} word pieces, "
                f"1 to {self.config.max_answer_tokens - 2} fit task.max_answer_tokens",
            )
        arrays = question_arrays(meta["question"], self.codec, self.config.max_question_tokens)
        if self.config.answering == "classification":
            arrays["label"] = np.array(self._label.get(meta["answer"], NO_LABEL))
        else:
            answer_ids = self.codec.encode(meta["answer"], self.config.max_answer_tokens, first=self.codec.dec)
            arrays |= {"answer_ids": answer_ids, "answer_mask": ones(answer_ids)}
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, meta)

    def predict(self, model: Model, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        best = self.best_answers(model, fuse_questions(model, batch.origins, inputs), 1)
        return [
            {**meta, "prediction": answers[0][0], "score": answers[0][1], "origin": str(origin)}
            for meta, origin, answers in zip(batch.meta, batch.origins, best, strict=True)
        ]

    def best_answers(self, model: Model, fused: Fused, count: int) -> list[list[tuple[str, float]]]:
        """Up to `count` answers and their scores for each row of fused questions, best first.

        Scores: of generation the mean log-probability of the word pieces, of ranking the log-likelihood of the whole
        answer, of classification the probability.
        """
        if self.config.answering == "classification":
            scores_BN = model.classify(fused)[:, : len(self.answers)].float().softmax(-1)
            number_BN = torch.arange(len(self.answers), device=scores_BN.device).expand_as(scores_BN)
        elif self.config.answering == "ranking":
            scores_BN, number_BN = self._rank(model, fused)
        else:
            return self._generate(model, fused, count)
        top = scores_BN.topk(min(count, scores_BN.shape[1]), dim=1)
        numbers = number_BN.gather(1, top.indices).tolist()
        return [
            [(self.answers[number], score) for number, score in zip(row, scores, strict=True)]
            for row, scores in zip(numbers, top.values.tolist(), strict=True)
        ]

    def _generate(self, model: Model, fused: Fused, count: int) -> list[list[tuple[str, float]]]:
        count = min(count, self.config.num_beams)
        plan = GenerationPlan(
            start_id=self.codec.dec,
            end_id=self.codec.sep,
            pad_id=self.codec.pad,
            num_beams=self.config.num_beams,
            max_tokens=self.config.max_answer_tokens,
            num_answers=count,
        )
        generated = model.generate(fused, plan)
        texts = [self.spell(self.codec.decode(ids)) for ids in generated.ids_BA.cpu().numpy()]
        scored = list(zip(texts, generated.scores_B.tolist(), strict=True))
        return [scored[start : start + count] for start in range(0, len(scored), count)]

    def _encode_candidates(self) -> tuple[Tensor, Tensor]:
        """ids and mask, int64 (N, A), of all answers of the list. Raises AnswerListError for one that does not fit."""
        fits = self.config.max_answer_tokens - 2
        for number, answer in enumerate(self.answers):
            pieces = self.codec.num_pieces(answer)
            if not 0 < pieces <= fits:
                raise AnswerListError(
                    f"task.answer_list: {self.config.answer_list}: answer number {number}, {answer!r}, has {pieces} "
                    f"word pieces, 1 to {fits} fit task.max_answer_tokens"
                )
        return pad_answers([self.codec.encode(a, fits + 2, first=self.codec.dec) for a in self.answers])

    def _rank(self, model: Model, fused: Fused) -> tuple[Tensor, Tensor]:
        """Log-likelihoods (B, C) of the C preselected candidates, and their numbers in the list."""
        assert self._candidates is not None
        ids_NA, mask_NA = (part.to(fused.text_BLD.device) for part in self._candidates)
        first_BK = first_token_log_probs(model, fused, self.codec.dec)
        number_BC = first_BK[:, ids_NA[:, 1]].topk(min(self.config.num_candidates, len(ids_NA)), dim=1).indices
        flat_N = number_BC.flatten()
        row_N = torch.arange(len(number_BC), device=flat_N.device).repeat_interleave(number_BC.shape[1])
        return likelihoods(model, fused, ids_NA[flat_N], mask_NA[flat_N], row_N).view(number_BC.shape), number_BC

    @cached_property
    def _wups(self) -> Wups:
        return Wups(WordNet(find_wordnet(self.config.wordnet)))

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        # A failed element still counts: as a wrong answer, of its type where its record could be read.
        asked = [*predictions, *failures]
        types = asked_types(predictions, failures)
        answers = [self._reference(question) for question in asked]
        given = [self._plain(str(p["prediction"])) for p in predictions] + ["<failed>"] * len(failures)
        metrics: dict[str, Any] = {
            "accuracy": accuracy(given, answers, types, self.config.groups),
            "baseline": commonest_answer_accuracy(answers, types),
            "num_scored": len(predictions),
            "num_failed": len(failures),
        }
        headline = ("accuracy.overall", float(metrics["accuracy"]["overall"]))
        if self.config.metric == "wups":
            metrics = {**self._score_wups(predictions, types), **metrics}
            headline = ("wups0.overall", float(metrics["wups0"]["overall"]))
        return Scores(metrics, predictions, failures, headline)

    def _score_wups(self, predictions: list[dict[str, Any]], types: list[str]) -> dict[str, Any]:
        thresholds = THRESHOLDS
        if self.config.compat == "released" and not any("answers" in p for p in predictions):
            thresholds = (0.0, 9.0)  # slip M9: where a split has no further references the second is 9 instead of 0.9
        scores = np.zeros((len(types), len(thresholds)))
        for number, p in enumerate(predictions):
            references = p.get("answers") or [p["answer"]]
            scores[number] = self._wups.score(str(p["prediction"]), references, str(p["type"]), thresholds)
            p["wups0"], p["wups9"] = scores[number].tolist()
        return wups_table(scores, types)

    def spell(self, text: str) -> str:
        """A decoded answer as people write it: "t-shirt" and "man's" for the word pieces "t - shirt" and "man ' s"."""
        return text if self.config.compat == "released" else _JOINED.sub(r"\1", text)

    def _plain(self, text: str) -> str:
        """A text as the decoder would write it, so that case, accents and spaces are no mistakes."""
        if self.config.compat == "released":
            return text
        return self.codec.decode(self.codec.encode(text, _LONGEST))

    def _reference(self, question: dict[str, Any]) -> str:
        """The right answer; of several the one that was given."""
        answers = [self._plain(str(answer)) for answer in question.get("answers") or [question.get("answer", "")]]
        given = self._plain(str(question.get("prediction", "")))
        return given if given in answers else answers[0]

    def submission(self, scores: Scores) -> Submission:
        return submission(scores.predictions, scores.failures, self.config.submission)


def pad_answers(answers: list[np.ndarray[Any, Any]]) -> tuple[Tensor, Tensor]:
    """ids and mask, int64 (N, A), of answers of several lengths."""
    longest = max(map(len, answers))
    ids = torch.zeros(len(answers), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, answer in enumerate(answers):
        ids[row, : len(answer)] = torch.from_numpy(answer)
        mask[row, : len(answer)] = 1
    return ids, mask


def likelihoods(model: Model, memory: Fused, ids_NA: Tensor, mask_NA: Tensor, row_N: Tensor) -> Tensor:
    """Log-likelihood (N,) of answer n given row row_N[n] of the memory, a bounded number at a time."""
    blocks = range(0, len(ids_NA), _ROWS_AT_ONCE)
    parts = [slice(start, start + _ROWS_AT_ONCE) for start in blocks]
    return torch.cat([_log_likelihood(model, memory.rows(row_N[p]), ids_NA[p], mask_NA[p]) for p in parts])


def _log_likelihood(model: Model, memory: Fused, ids_NA: Tensor, mask_NA: Tensor) -> Tensor:
    """float32 (N,): log-likelihood of each answer given its row of the memory: the sum over its tokens after the
    first."""
    states_NAD = model.decode(ids_NA[:, :-1], mask_NA[:, :-1], memory)
    real_NA = mask_NA[:, 1:].bool()  # the vocabulary is wide: padding must not pay for it
    losses = functional.cross_entropy(
        model.answer_logits(states_NAD[real_NA]).float(), ids_NA[:, 1:][real_NA], reduction="none"
    )
    return -losses.new_zeros(real_NA.shape).masked_scatter(real_NA, losses).sum(1)


def first_token_log_probs(model: Model, memory: Fused, start_id: int) -> Tensor:
    """float32 (B, K): log-probability of each word piece as the first of an answer."""
    starts_B1 = torch.full((len(memory.text_BLD), 1), start_id, device=memory.text_BLD.device)
    states_B1D = model.decode(starts_B1, torch.ones_like(starts_B1, dtype=torch.bool), memory)
    return model.answer_logits(states_B1D[:, 0]).float().log_softmax(-1)
