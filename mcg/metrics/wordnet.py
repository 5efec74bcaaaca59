"""WordNet's synsets: the first of a word, and Wu-Palmer similarity, equal to what nltk 3.3 computes.

Words and files are those of WordForms of shards.base. nltk's newer versions compare verbs with nouns in another way
than version 3.3, which the published numbers of NExT-QA were computed with.
"""

from __future__ import annotations

import re
from pathlib import Path

from shards.base import PARTS_OF_SPEECH, WORDNET_REMEDY, WordForms, WordNetError

Synset = tuple[str, int]
"""Part of speech and offset in its data file."""
ROOT: Synset = ("", 0)
"""Above everything that has no hypernym, where verbs, adjectives and adverbs are compared; WordNet itself has none."""


class WordNet(WordForms):
    """The database of a folder. Reading it takes about a second and 100 MB. Raises WordNetError."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data = {pos: self.by_first_field(f"data.{name}") for pos, name in PARTS_OF_SPEECH.items()}
        self._parents: dict[Synset, list[Synset]] = {}
        self._depths: dict[Synset, tuple[int, int]] = {ROOT: (0, 0)}
        self._steps: dict[Synset, dict[Synset, int]] = {ROOT: {ROOT: 0}}

    def first_synset(self, form: str) -> Synset | None:
        """The commonest sense of the first part of speech (noun, verb, adjective, adverb) that a word can be."""
        for pos in PARTS_OF_SPEECH:
            for lemma in self.lemmas(form.lower(), pos):
                return pos, self.offsets(lemma, pos)[0]
        return None

    def similarity(self, one: Synset, other: Synset) -> float:
        """Wu and Palmer's 2 d / (2 d + the steps from both to the lowest common hypernym), 0 where there is none.

        As nltk 3.3 has it: the lowest is the one of greatest least depth, and d is its greatest depth, the top having
        1; where `one` is a verb all trees hang on one root, so that a verb resembles a noun but no noun a verb.
        """
        rooted = one[0] == "v"
        common = self._above(one).keys() & self._above(other).keys()
        if rooted:
            common = common | {ROOT}
        if not common:
            return 0.0
        bottom = max(self._depth(synset)[0] for synset in common)
        lowest = [synset for synset in common if self._depth(synset)[0] == bottom]
        chosen = one if one in lowest else min(lowest, key=self._name)
        depth = self._depth(chosen)[1] + 1
        return 2 * depth / (2 * depth + self._distance(one, chosen, rooted) + self._distance(other, chosen, rooted))

    def _distance(self, one: Synset, other: Synset, rooted: bool) -> int:
        """Steps of the shortest way between two synsets that have a hypernym in common, by way of one such."""
        ways = []
        for synset in (one, other):
            steps = self._above(synset)
            ways.append({ROOT: max(steps.values()) + 1, **steps} if rooted else steps)
        return min(ways[0][synset] + ways[1][synset] for synset in ways[0].keys() & ways[1].keys())

    def _above(self, synset: Synset) -> dict[Synset, int]:
        """The synset and all its hypernyms, and the fewest steps up to each."""
        if synset not in self._steps:
            found, level, steps = {synset: 0}, [synset], 0
            while level:
                steps += 1
                level = [above for below in level for above in self._hypernyms(below) if above not in found]
                found |= dict.fromkeys(level, steps)
            self._steps[synset] = found
        return self._steps[synset]

    def _depth(self, synset: Synset) -> tuple[int, int]:
        """(fewest, most) steps to the top."""
        if synset not in self._depths:
            self._depths[synset] = (-1, -1)  # seen again before it is known, it is above itself
            above = [self._depth(parent) for parent in self._hypernyms(synset)]
            if (-1, -1) in above:
                raise self._damaged(synset, f"synset {synset[1]:08d} is a hypernym of itself")
            self._depths[synset] = (1 + min(a for a, _ in above), 1 + max(b for _, b in above)) if above else (0, 0)
        return self._depths[synset]

    def _hypernyms(self, synset: Synset) -> list[Synset]:
        """One step up, those of instances (Rome: city) included."""
        if synset not in self._parents:
            if synset == ROOT:
                return []
            pointers = re.findall(r" @i? (\d{8}) ([nvars]) 0000", self._line(synset).partition("|")[0])
            self._parents[synset] = [(pos.replace("s", "a"), int(offset)) for offset, pos in pointers]
        return self._parents[synset]

    def _name(self, synset: Synset) -> str:
        """nltk's name, dog.n.01: what it sorts by where two hypernyms are equally low."""
        if synset == ROOT:
            return "*ROOT*"
        lemma = self._line(synset).split(" ", 5)[4].lower()
        return f"{lemma}.{synset[0]}.{self.offsets(lemma, synset[0]).index(synset[1]) + 1:02d}"

    def _line(self, synset: Synset) -> str:
        line = self._data[synset[0]].get(f"{synset[1]:08d}")
        if line is None:
            raise self._damaged(synset, f"there is no synset {synset[1]:08d}")
        return line

    def _damaged(self, synset: Synset, what: str) -> WordNetError:
        file = self.folder / f"data.{PARTS_OF_SPEECH[synset[0]]}"
        return WordNetError(f"{file}: {what}; {WORDNET_REMEDY}")
