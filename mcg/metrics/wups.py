"""WUPS of open-ended answers as NExT-QA defines it (docs/facts/mcg_alpro.md 3.5): similar words count, by WordNet.

A word's share is its greatest Wu-Palmer similarity to a word of the other answer, a tenth of it below the threshold;
an answer's score is the product over its words with any similarity, the lesser of both directions. Questions that ask
for yes or no (DB) or a number (DC) score 1 or 0. The published scripts use nltk 3.3, which this follows word by word
(mcg/metrics/wordnet.py).

What differs: the scripts lemmatise with pywsd, whose part-of-speech tagger cannot be packed; here the form of a word
says its part of speech. On the predictions that NExT-OE publishes for val this gives WUPS@0 21.66 instead of 21.48;
with another tagger of the same kind the scripts' way gives 21.28.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mcg.metrics.bootstrap import interval
from mcg.metrics.wordnet import WordNet

THRESHOLDS = (0.0, 0.9)
"""Thresholds that are reported: WUPS@0 and WUPS@0.9."""
OFFICIAL = ("CW", "CH", "C", "TN", "TC", "T", "DB", "DC", "DL", "DO", "D", "all")
"""Columns of NExT-OE's table: types, and each group after its own."""
GROUPS = {"C": ("CW", "CH"), "T": ("TN", "TP", "TC"), "D": ("DB", "DC", "DL", "DO")}
"""Causal, temporal and descriptive question types."""
EXACT_TYPES = ("DB", "DC")
"""Question types that are compared as text."""
_LINES = (
    "i me my myself we our ours ourselves you you're you've you'll you'd your yours yourself yourselves he him",
    "his himself she she's her hers herself it it's its itself they them their theirs themselves what which",
    "who whom this that that'll these those am is are was were be been being have has had having do does did",
    "doing a an the and but if or because as until while to from of at for with about into through during",
    "again further then here there when where why how all any each most other some such only own so than too",
    "very s t can will just don don't should should've now d ll m o re ve y ain aren aren't couldn couldn't",
    "didn didn't doesn doesn't hadn hadn't hasn hasn't haven haven't isn isn't ma mightn mightn't mustn",
    "mustn't needn needn't shan shan't shouldn shouldn't wasn wasn't weren weren't won won't wouldn wouldn't",
)
STOP_WORDS = frozenset(word for line in _LINES for word in line.split())
"""The 156 of NExT-OE: nltk's English ones without negations, numbers and words of place and time."""
_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
Scores = npt.NDArray[np.float64]


class Wups:
    """Scores answers against references, each in [0, 1]."""

    def __init__(self, wordnet: WordNet) -> None:
        self._wordnet = wordnet
        self._similarity = cache(self._compare)

    def score(
        self, prediction: str, references: Sequence[str], kind: str = "", thresholds: Sequence[float] = THRESHOLDS
    ) -> tuple[float, ...]:
        """The best score of a prediction over the references, at each threshold. kind: NExT-QA's question type."""
        given, expected = self.content(prediction), [self.content(reference) for reference in references]
        if kind in EXACT_TYPES:
            return (float(given in expected),) * len(thresholds)
        return tuple(
            max(min(self._one_way(given, ref, limit), self._one_way(ref, given, limit)) for ref in expected)
            for limit in thresholds
        )

    def content(self, text: str) -> tuple[str, ...]:
        """Lemmas of the words of a text, stop words left out."""
        lemmas = [self.lemma(word) for word in _WORD.findall(text.lower())]
        return tuple(lemma for lemma in lemmas if lemma not in STOP_WORDS)

    def lemma(self, word: str) -> str:
        """A form in -ing or -ed, or an irregular one that is no noun as it stands, is taken for a verb's, any other for
        a noun's, else a verb's, an adjective's, an adverb's."""
        nouns = self._wordnet.lemmas(word, "n")
        irregular = self._wordnet.is_irregular(word, "v") and word not in nouns
        order = "vnar" if irregular or word.endswith(("ing", "ed")) else "nvar"
        for pos in order:
            lemmas = self._wordnet.lemmas(word, pos)
            if lemmas:
                return min(lemmas, key=len)
        return word

    def _one_way(self, words: Sequence[str], others: Sequence[str], threshold: float) -> float:
        best = [max((self._at(word, other, threshold) for other in others), default=0.0) for word in words]
        similar = [value for value in best if value > 0]
        return float(np.prod(similar)) if similar else 0.0

    def _at(self, word: str, other: str, threshold: float) -> float:
        if word == other:
            return 1.0
        similarity = self._similarity(word, other)
        return similarity if similarity >= threshold else 0.1 * similarity

    def _compare(self, word: str, other: str) -> float:
        one, two = self._wordnet.first_synset(word), self._wordnet.first_synset(other)
        return self._wordnet.similarity(one, two) if one is not None and two is not None else 0.0


def wups_table(scores_NT: Scores, types: Sequence[str]) -> dict[str, Any]:
    """{"wups0": {...}, "wups9": {...}} from the scores at THRESHOLDS; each holds "overall", "interval", "by_type",
    "by_group", "counts" and "intervals" of types and groups, and "official".

    Means in [0, 1], intervals of 95 % (mcg/metrics/bootstrap.py). by_type keeps the types of the records; "official" is
    the line that NExT-OE's script prints, x 100, in which TN holds the questions of TP too. The groups are C causal, T
    temporal, D descriptive. Raises ValueError where there is nothing to score.
    """
    if scores_NT.shape != (len(types), len(THRESHOLDS)) or not types:
        raise ValueError(f"WUPS needs {len(types)} > 0 rows of {len(THRESHOLDS)} scores, found {scores_NT.shape}")
    return {f"wups{round(10 * at)}": _one_table(scores_NT[:, number], types) for number, at in enumerate(THRESHOLDS)}


def _one_table(scores: Scores, types: Sequence[str]) -> dict[str, Any]:
    array = np.asarray(types)
    held = {name: scores[array == name] for name in sorted(set(types))}
    groups = {group: scores[np.isin(array, kinds)] for group, kinds in GROUPS.items()}
    groups = {group: members for group, members in groups.items() if len(members)}
    merged = {"TN": scores[np.isin(array, ("TN", "TP"))]}
    columns = {**held, **merged, **groups, "all": scores}
    official = {column: columns[column] for column in OFFICIAL if len(columns.get(column, ()))}
    return {
        "overall": float(scores.mean()),
        "interval": list(interval(scores, "all")),
        "by_type": {name: float(members.mean()) for name, members in held.items()},
        "by_group": {name: float(members.mean()) for name, members in groups.items()},
        "counts": {name: len(members) for name, members in {**held, **groups}.items()},
        "intervals": {name: list(interval(members, name)) for name, members in {**held, **groups}.items()},
        "official": {name: round(100 * float(members.mean()), 2) for name, members in official.items()},
    }
