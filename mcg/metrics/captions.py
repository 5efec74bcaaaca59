"""Caption metrics as the field computes them (pycocoevalcap 1.2): BLEU-1 to 4, METEOR, ROUGE-L, CIDEr, and SPICE where
its parser is there, after the Penn Treebank tokenizer.

The tokenizer runs on Java, so without Java nothing is scored: another tokenizer would give other numbers under the same
names. BLEU and METEOR are scores of all videos together, the others means over videos. CIDEr weighs words by how many
videos' references have them: it depends on which videos are scored, and one video alone scores 0.

Intervals draw videos with replacement (mcg/metrics/bootstrap.py); the weights of CIDEr's words stay as they are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mcg.metrics.bootstrap import interval, interval_of_sums
from mcg.metrics.captioning.bleu import ORDERS, bleu, bleu_of_counts
from mcg.metrics.captioning.checks import Place, check_captions, check_words, place_in_mappings
from mcg.metrics.captioning.java import LIMIT_S, Java, find_java
from mcg.metrics.captioning.meteor import meteor, score_of_counts
from mcg.metrics.captioning.spice import spice, spice_folder, why_no_spice
from mcg.metrics.captioning.tokenizer import tokenize

Texts = Sequence[str]
_ORDER = (*(f"BLEU-{order}" for order in range(1, ORDERS + 1)), "METEOR", "ROUGE-L", "CIDEr", "SPICE")


class CaptionScores(NamedTuple):
    """The metrics of a set of predictions."""

    metrics: dict[str, Any]
    """What caption_scores says."""
    by_video: dict[str, dict[str, float]]
    """Each score of each video."""
    absent: dict[str, str]
    """Metric that was not computed -> why, and what to do."""
    java: Java


def caption_scores(
    references: Mapping[str, Texts],
    predictions: Mapping[str, str],
    training: Texts = (),
    *,
    with_meteor: bool = True,
    spice_in: Path | None = None,
    keep_empty: bool = False,
    java: str | os.PathLike[str] | None = None,
    limit_s: float = LIMIT_S,
    place: Place = place_in_mappings,
) -> CaptionScores:
    """Score the prediction of each video against its references.

    metrics: BLEU-1 to 4, METEOR, ROUGE-L and SPICE in [0, 1], CIDEr in [0, 10]; "intervals", 95 % by the bootstrap over
    videos; "words", lengths after the tokenizer; "distinct", the share of predictions that is left when equal ones
    count once; "copied", the share that stands among the training captions, where there are some; "counts".

    with_meteor: METEOR takes 5 to 20 s to start, which val while training can do without. spice_in: the folder of
    SPICE's parser (default: spice_folder()). keep_empty: captions without a word are scored as texts of no words, as
    the field's scripts do; otherwise they are refused. java: the runtime to use. limit_s: seconds that each Java
    program may take.

    Raises CaptionError where captions do not fit each other or cannot be scored, and JavaError.
    """
    check_captions(references, predictions, place)
    runtime = find_java(java)
    flat = [*(text for texts in references.values() for text in texts), *(predictions[video] for video in references)]
    tokens = iter(tokenize([*flat, *training], runtime, limit_s))
    known = {video: [next(tokens) for _ in texts] for video, texts in references.items()}
    given = {video: next(tokens) for video in references}
    empty = check_words(known, given, place, keep_empty)
    counts = {"videos": len(known), "references": len(flat) - len(given)}
    counts |= {f"empty_{kind}s": number for kind, number in empty.items()}

    refs, preds = list(known.values()), list(given.values())
    absent: dict[str, str] = {}
    found = dict(_without_java(refs, preds))
    if with_meteor:
        counted = meteor(refs, preds, runtime, limit_s)
        bounds = interval_of_sums(counted.counts_NC, score_of_counts, "captions METEOR")
        found["METEOR"] = _Metric(counted.score, counted.score_N, bounds)
    else:
        absent["METEOR"] = "it was not asked for"
    folder = spice_in or spice_folder()
    if why := why_no_spice(folder, runtime):
        absent["SPICE"] = why
    else:
        found["SPICE"] = _mean("SPICE", spice(refs, preds, folder, runtime, limit_s))
    found = {name: found[name] for name in _ORDER if name in found}

    metrics: dict[str, Any] = {name: metric.score for name, metric in found.items()}
    metrics["intervals"] = {name: list(metric.bounds) for name, metric in found.items()}
    metrics |= {"words": _lengths(refs, preds), "distinct": len(set(preds)) / len(preds)}
    if training:
        learnt = set(tokens) - {""}
        metrics["copied"] = sum(text in learnt for text in preds) / len(preds)
    by_video = {
        video: {name: float(metric.score_N[number]) for name, metric in found.items()}
        for number, video in enumerate(known)
    }
    return CaptionScores(metrics | {"counts": counts}, by_video, absent, runtime)


class _Metric(NamedTuple):
    score: float
    score_N: npt.NDArray[np.float64]
    bounds: tuple[float, float]


def _mean(name: str, score_N: npt.NDArray[np.float64]) -> _Metric:
    return _Metric(float(score_N.mean()), score_N, interval(score_N, f"captions {name}"))


def _without_java(references: Sequence[Texts], predictions: Texts) -> Iterator[tuple[str, _Metric]]:
    """BLEU, ROUGE-L and CIDEr of tokenized texts."""
    from pycocoevalcap.cider.cider_scorer import CiderScorer
    from pycocoevalcap.rouge.rouge import Rouge

    found = bleu(references, predictions)
    for order in range(1, ORDERS + 1):

        def score(counts_RC: npt.NDArray[np.float64], order: int = order) -> npt.NDArray[np.float64]:
            return bleu_of_counts(counts_RC, order)

        bounds = interval_of_sums(found.counts_NC, score, f"captions BLEU-{order}")
        yield f"BLEU-{order}", _Metric(found.score_4[order - 1], found.score_4N[order - 1], bounds)
    rouge, cider = Rouge(), CiderScorer()
    rouge_N = []
    for known, given in zip(references, predictions, strict=True):
        rouge_N.append(rouge.calc_score([given], known))
        cider += (given, known)
    yield "ROUGE-L", _mean("ROUGE-L", np.array(rouge_N, np.float64))
    yield "CIDEr", _mean("CIDEr", np.asarray(cider.compute_score()[1], np.float64))


def _lengths(references: Sequence[Texts], predictions: Texts) -> dict[str, float]:
    words = np.array([len(text.split()) for text in predictions])
    known = np.array([len(text.split()) for texts in references for text in texts])
    return {
        "mean": float(words.mean()),
        "median": float(np.median(words)),
        "least": int(words.min()),
        "most": int(words.max()),
        "references_mean": float(known.mean()),
    }
