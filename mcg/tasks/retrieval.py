"""Text-video retrieval: MSR-VTT, MSVD, DiDeMo, LSMDC, ActivityNet Captions, YouCook2.

Trained on pairs of a clip and one of its captions; of a paragraph it may be some of the sentences, as LAVENDER learns
DiDeMo (docs/facts/lavender.md 3). Evaluated over all pairs of a split (mcg/scoring/pairs.py): an element is a video
with all its captions. What belongs together is told by ids: a video's is the "id" of its sample, or the origin; two
captions of different videos are one query with several right videos where id and words are the same. A video that
cannot be used is a missing candidate, and its captions are missed queries.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mcg.metrics.retrieval import Places, first_places, places, ranking_metrics
from mcg.model.config import ModelConfig
from mcg.model.model import Model
from mcg.scoring.pairs import Pairs, Scored, distinct
from mcg.scoring.reranking import ranking_scores
from mcg.scoring.submission import Submission, rankings
from mcg.tasks.config import RetrievalConfig
from mcg.tasks.task import LONG_TEXT, Scores, Task, caption_of, label_of, text_of, video_id, video_key
from shards import Batch, EncodedClip, Sample, SampleError
from shards.loader import RngFactory
from shards.media import ClipConfig, plan_clip

NUM_SHOWN = 10
"""Candidates of every query that a prediction names."""
DIRECTIONS = ("text_to_video", "video_to_text")
_FEATURES = ("video_features", "text_features")
_NEEDED = {"contrast": _FEATURES, "matching": ("match_logits",), "rerank": (*_FEATURES, "match_logits")}
"""Verbs that each ranking uses; `matching` tells the places by contrast too where the model has it."""


class Retrieval(Task):
    """See the module."""

    name = "retrieval"
    config: RetrievalConfig

    def check_model(self, model: ModelConfig) -> None:
        for verb in _NEEDED[self.config.ranking]:
            if (missing := model.missing(verb)) is not None:
                remedy = "" if verb == "match_logits" or model.missing("match_logits") else "; or rank by matching"
                raise ValueError(f"task.ranking {self.config.ranking!r}: {missing}{remedy}")

    def example(self, sample: Sample, rng: RngFactory, clip: ClipConfig, training: bool) -> EncodedClip:
        records = [(sample.record_index, sample.record)] if training else list(enumerate(sample.records))
        texts = []
        for number, record in records:
            if training and self.config.paragraphs == "sampled":
                caption = _some_of(sample, rng("paragraph"))
            else:
                caption = caption_of(sample, record, number, self.texts)
            texts.append({"id": label_of(record, "id") or f"{sample.origin}#{number}", "caption": caption})
        meta = {"video": video_id(sample), "texts": texts}
        pairs = [self.texts.pair(text["caption"], self.config.max_text_tokens) for text in texts]
        if training:
            arrays = {**pairs[0], "video_key": video_key(sample)}
        else:
            arrays = {name: _stack([pair[name] for pair in pairs]) for name in _ARRAYS}
        plan = plan_clip(sample.facts, clip, rng("clip"))
        return EncodedClip(sample.media, sample.facts.kind, plan, arrays, meta)

    def made_up_record(self) -> dict[str, Any]:
        return {"caption": LONG_TEXT}

    def evaluation(self, model: Model, device: torch.device) -> _Rankings:
        return _Rankings(model, self.config, device)

    def score(self, predictions: list[dict[str, Any]], failures: list[dict[str, Any]]) -> Scores:
        missed = {
            "text_to_video": sum(len(failure.get("texts", [None])) for failure in failures),
            "video_to_text": len(failures),
        }
        metrics: dict[str, Any] = {}
        for direction in DIRECTIONS:
            asked = [p for p in predictions if p["direction"] == direction]
            # the intervals are drawn over the queries as they come, which depends on the number of ranks
            asked.sort(key=lambda p: (p["id"], p.get("caption", "")))
            tables = {}
            for ranking in asked[0]["places"]:
                ahead, tied = np.array([p["places"][ranking] for p in asked], np.int64).T
                name = f"{direction} {ranking}"
                tables[ranking] = ranking_metrics(Places(ahead, tied), asked[0]["candidates"], missed[direction], name)
            metrics[direction] = tables.pop(self.config.ranking)
            if tables:
                metrics[direction]["by_contrast"] = tables["contrast"]
        shares = [metrics[direction][f"R{k}"] for direction in DIRECTIONS for k in (1, 5, 10)]
        metrics["mean_recall"] = float(np.mean(shares))
        metrics |= {"ranking": self.config.ranking, "pairs_fused": predictions[0]["pairs_fused"]}
        metrics |= {"num_scored": len(predictions), "num_failed": len(failures)}
        return Scores(metrics, predictions, failures, ("mean_recall", metrics["mean_recall"]))

    def submission(self, scores: Scores) -> Submission:
        answered = [p for p in scores.predictions if p["direction"] == "text_to_video"]
        missed = [{**text, "top": []} for failure in scores.failures for text in failure.get("texts", [])]
        return rankings([*answered, *missed])


_ARRAYS = ("text_ids", "text_mask")


def _some_of(sample: Sample, rng: np.random.Generator) -> str:
    """One to all of the captions of a paragraph, in random order, joined by spaces. Raises SampleError."""
    segments = sample.record.get("segments")
    parts = segments if isinstance(segments, list) else []
    texts = [text_of(part, "caption") if isinstance(part, dict) else "" for part in parts]
    if not texts or not all(texts):
        raise SampleError(
            sample.origin,
            f"record {sample.record_index}: no segments with a caption each, of which task.paragraphs 'sampled' takes "
            "some; build the dataset with --text paragraph, or set task.paragraphs to whole",
        )
    return " ".join(texts[place] for place in rng.permutation(len(texts))[: rng.integers(1, len(texts), endpoint=True)])


def _stack(rows: list[Any]) -> Any:
    """(O, L) of O arrays, padded with zeros to the longest."""
    whole = np.zeros((len(rows), max(map(len, rows))), rows[0].dtype)
    for place, row in zip(whole, rows, strict=True):
        place[: len(row)] = row
    return whole


class _Rankings:
    """The evaluation: both directions are ranked when all pairs are scored."""

    def __init__(self, model: Model, config: RetrievalConfig, device: torch.device) -> None:
        self._pairs, self._config = Pairs(model, config, device), config

    def add(self, batch: Batch, inputs: dict[str, Tensor]) -> list[dict[str, Any]]:
        return self._pairs.add(batch, inputs)

    def finish(self, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [*self._ranked(scored := self._pairs.scores(), by_text=True), *self._ranked(scored, by_text=False)]

    def _ranked(self, scored: Scored, by_text: bool) -> list[dict[str, Any]]:
        """A prediction per query: texts that look for videos, or videos that look for texts."""
        config, names = self._config, [video["id"] for video in scored.videos]
        queries, contrast, match, right = _queries(scored)
        if not by_text:
            contrast, right = None if contrast is None else contrast.T, right.T
            match = None if match is None else match.T
        depth = config.rerank_depth if config.ranking == "rerank" else None
        count = places
        if config.compat == "released" and depth is None:  # rounded scores tie, and the first of those that tie wins
            contrast = None if contrast is None else np.round(contrast, 4)
            match, count = None if match is None else np.round(_probability(match), 4), first_places
        scores = ranking_scores(contrast, match, depth, scored.temperature)
        by_name = {config.ranking: count(scores, right)}
        if match is not None and contrast is not None:
            by_name["contrast"] = count(contrast, right)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :NUM_SHOWN]
        texts = [query["id"] for query in queries]
        asked, candidates = (queries, names) if by_text else (scored.videos, texts)
        return [
            {
                "direction": DIRECTIONS[0 if by_text else 1],
                "id": query["id"],
                **({"caption": query["caption"]} if by_text else {"origin": query["origin"]}),
                "right": [candidates[c] for c in np.flatnonzero(right[number])],
                "top": [[candidates[c], round(float(scores[number, c]), 6)] for c in best[number]],
                "places": {
                    name: [int(found.ahead_Q[number]), int(found.tied_Q[number])] for name, found in by_name.items()
                },
                "candidates": len(candidates),
                "pairs_fused": scored.num_fused,
            }
            for number, query in enumerate(asked)
        ]


def _queries(scored: Scored) -> tuple[list[dict[str, Any]], Any, Any, Any]:
    """The different texts with the rows of their scores, contrast and match, and (Q, N) which videos are right."""
    rows, row_of = distinct(scored.texts)
    right = np.zeros((len(rows), len(scored.videos)), np.bool_)
    right[row_of, [text["video"] for text in scored.texts]] = True
    contrast, match = (None if scores is None else scores[rows] for scores in (scored.contrast_MN, scored.match_MN))
    return [scored.texts[number] for number in rows], contrast, match, right


def _probability(difference: Any) -> Any:
    """Of a match, from the difference of the two logits."""
    return 1 / (1 + np.exp(-difference))
