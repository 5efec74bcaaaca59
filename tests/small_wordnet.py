"""A WordNet of a dozen words in the real format, and where the real one is."""

from __future__ import annotations

from pathlib import Path

LICENCE = "  1 This software and database is being provided to you\n"
SYNSETS = {
    "noun": [
        ("entity", []),
        ("animal", ["entity"]),
        ("dog", ["animal"]),
        ("cat", ["animal"]),
        ("toy", ["entity"]),
        ("poodle", ["dog", "toy"]),
        ("town", ["entity"]),
        ("man", ["animal"]),
        ("play", ["entity"]),
        ("rex", ["dog"]),
    ],
    "verb": [("move", []), ("play", ["move"]), ("run", ["move"]), ("think", [])],
    "adj": [("red", []), ("close", [])],
    "adv": [("slowly", [])],
}
EXCEPTIONS = {"noun": "mice mouse\n", "verb": "ran run\nplayed play\n", "adj": "", "adv": ""}
TAGGED = "play%1:04:00:: 1 5\nplay%1:06:00:: 2 2\nplay%2:30:00:: 1 20\nred%3:00:01:: 1 1\nred%5:00:00:x:00 1 3\n"
LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def write_wordnet(folder: Path) -> Path:
    """Every word has one synset; poodle has two hypernyms, one of them (as of an instance) marked @i,
    and rex is an instance alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, synsets in SYNSETS.items():
        letter = LETTERS[name]
        offsets = {word: 100 * (i + 1) for i, (word, _) in enumerate(synsets)}
        lines, index = [], []
        for word, above in synsets:
            kinds = {"poodle": ["@", "@i"], "rex": ["@i"]}.get(word, ["@"] * len(above))
            pointers = [f"{kind} {offsets[up]:08d} {letter} 0000" for kind, up in zip(kinds, above, strict=True)]
            head = f"{offsets[word]:08d} 03 {letter} 01 {word} 0 {len(above):03d}"
            lines.append(" ".join([head, *pointers, "|", "what it is\n"]))
            symbols = ["@"] if above else []
            fields = [word, letter, "1", str(len(symbols)), *symbols, "1", "0", f"{offsets[word]:08d}"]
            index.append(" ".join(fields) + "\n")
        (folder / f"data.{name}").write_text(LICENCE + "".join(lines))
        (folder / f"index.{name}").write_text(LICENCE + "".join(sorted(index)))
        (folder / f"{name}.exc").write_text(EXCEPTIONS[name])
    (folder / "cntlist.rev").write_text(TAGGED)
    return folder
