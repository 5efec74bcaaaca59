"""METEOR 1.5 as the field runs it: English, normalised, its own scores of each video and of all together.

The program counts what matches for each video, and scores counts. The formula stands here once more, for intervals,
which score a thousand sums of counts: it gives the program's own numbers (a test holds that).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mcg.metrics.captioning.java import Conversation, Java, JavaError, package_file

Float = npt.NDArray[np.float64]
# Of METEOR's English task.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
# Of equal words, equal stems, synonyms, paraphrases.
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
_NUM_COUNTS = 23


class _Meteor(NamedTuple):
    """What METEOR says of N videos."""

    score: float
    score_N: Float
    counts_NC: Float
    """Whole numbers that add up over videos: the score of all together is that of their sum."""


def meteor(references: Sequence[Sequence[str]], predictions: Sequence[str], java: Java, limit_s: float) -> _Meteor:
    """Scores of tokenized predictions against the tokenized references of each. Raises JavaError.

    The program takes 5 to 20 s to start, and 2 GB of memory.
    """
    jar = package_file("meteor", "meteor-1.5.jar")
    package_file("meteor", "data", "paraphrase-en.gz")
    program = ("-Xmx2G", "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm")
    with java.talk("METEOR", program, limit_s) as talk:
        counted: list[str] = []
        for known, given in zip(references, predictions, strict=True):
            talk.tell(" ||| ".join(["SCORE", *map(_field, known), _field(given)]))
            counted.append(talk.hear())
            if len(_numbers(counted[-1])) != _NUM_COUNTS:
                raise _strange(counted[-1], f"{_NUM_COUNTS} counts")
        talk.tell(" ||| ".join(["EVAL", *counted]))
        *score_N, score = [_score(talk) for _ in range(len(counted) + 1)]
    counts_NC = np.array([_numbers(line) for line in counted])
    perfect_N = (counts_NC[:, 20] == 1) & (counts_NC[:, 21:] == counts_NC[:, :2]).all(1)
    counts_NC[perfect_N, 20] = 0  # a video whose caption matches in one piece adds no pieces
    return _Meteor(score, np.array(score_N), counts_NC)


def score_of_counts(counts_xC: Float) -> Float:
    """The score of each row of counts, in [0, 1]; 0 where nothing matches."""
    of_words_x4 = counts_xC[..., :4]
    matches_xM4 = counts_xC[..., 4:20].reshape(*counts_xC.shape[:-1], 4, 4)
    matched_X4 = (matches_xM4 * _WEIGHTS[:, None]).sum(-2)  # content words given, known; function words given, known
    shares = []
    for side in (0, 1):
        function, whole = of_words_x4[..., 2 + side], of_words_x4[..., side]
        shares.append(
            _over(
                _DELTA * matched_X4[..., side] + (1 - _DELTA) * matched_X4[..., 2 + side],
                _DELTA * (whole - function) + (1 - _DELTA) * function,
            )
        )
    precision, recall = shares
    mean = _over(precision * recall, _ALPHA * precision + (1 - _ALPHA) * recall)
    pieces = _over(counts_xC[..., 20], counts_xC[..., 21:].sum(-1) / 2)
    return mean * (1 - _GAMMA * pieces**_BETA)


def _over(share: Float, whole: Float) -> Float:
    return np.divide(share, whole, out=np.zeros_like(share), where=whole > 0)


def _field(text: str) -> str:
    """A text without what separates fields, as pycocoevalcap takes it out of predictions."""
    return text.replace("|||", "").replace("  ", " ") if "|||" in text else text


def _numbers(line: str) -> list[float]:
    try:
        return [float(word) for word in line.split()]
    except ValueError:
        return []


def _score(talk: Conversation) -> float:
    line = talk.hear()
    numbers = _numbers(line)
    if len(numbers) != 1 or not 0 <= numbers[0] <= 1:
        raise _strange(line, "a score from 0 to 1")
    return numbers[0]


def _strange(line: str, wanted: str) -> JavaError:
    return JavaError(f"METEOR answered {line[:200]!r} where {wanted} belonged: not version 1.5?")
