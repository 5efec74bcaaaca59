"""The tokenizer: what pycocoevalcap's gives, a line for every caption whatever is in it, or an error."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from mcg.metrics.captioning.java import Java, JavaError, find_java
from mcg.metrics.captioning.tokenizer import tokenize
from tests.mcg.metrics.stand_in_java import stand_in_java

PIECES = [
    *(
        "a",
        "man",
        "Mr.",
        "U.S.",
        "e.g.",
        "don't",
        "cannot",
        "gonna",
        "3.5",
        "$5",
        "1/2",
        "a@b.c",
        "http://a.b/c?d=e",
        "#x",
    ),
    *("(", "'", '"', "``", "...", "|||", "<b>", "&amp;", "-", "--", "—", "_", "*", "^", "%", "€", " ", " ", " ", "\t"),
    *("é", "e\u0301", "中文", "😀", "İ", "ß", "ﬁ", "\xa0", "\u200b", "\ufeff", "\u3000", "\u202e", "\ufffd", "½", "١"),
    *("\0", "\x07", "\x1b[31m", "\x1c", "\x7f", "\x80", "\x85", "\x9f"),
]
BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\u2028", "\u2029"]


def _texts(pieces: list[str], count: int) -> list[str]:
    choose = random.Random(0)
    return ["".join(choose.choice(pieces) for _ in range(choose.randint(0, 9))) for _ in range(count)]


def test_it_gives_what_pycocoevalcap_gives(java: Java, monkeypatch: pytest.MonkeyPatch) -> None:
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    monkeypatch.setenv("PATH", f"{Path(java.path).parent}:{os.environ['PATH']}")
    texts = ["A man's (old) dog isn't barking...", *_texts(PIECES, 2000), "The end."]
    expected = PTBTokenizer().tokenize({number: [{"caption": text}] for number, text in enumerate(texts)})
    found = tokenize(texts, java, 100)
    assert found == [lines[0] for lines in expected.values()]
    assert found[0] == "a man 's -lrb- old -rrb- dog is n't barking"


def test_each_caption_is_its_own_whatever_stands_around_it(java: Java) -> None:
    texts = ["", *_texts([*PIECES, *BREAKS, "\ud800"], 2000), "\n", "", ""]
    order = random.Random(1).sample(range(len(texts)), len(texts))
    found, shuffled = (tokenize(chosen, java, 100) for chosen in (texts, [texts[number] for number in order]))
    assert [found[number] for number in order] == shuffled
    assert not any(set(text) & set("\n\r\v\f") or "  " in text for text in found)


def test_breaks_are_spaces_and_long_captions_whole(java: Java) -> None:
    long = ["word " * 20_000, "a" * 100_000, "|||" * 30_000, "! " * 50_000]
    found = tokenize([*(f"a{one}b" for one in BREAKS), *long, "...", "the end"], java, 100)
    assert found[: len(BREAKS)] == ["a b"] * len(BREAKS)
    assert found[-6:-3] == [("word " * 20_000).strip(), "a" * 100_000, ("| " * 90_000).strip()]
    assert found[-3:] == ["", "", "the end"]


def test_nothing_needs_no_java() -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    assert tokenize([], Java("/nowhere", 17, "17"), 1) == []


@pytest.mark.parametrize("body", ["print('a')", "print('a'); print('b'); print('c')", "sys.stdout.write('a\\nb')", ""])
def test_another_number_of_lines_is_refused(tmp_path: Path, body: str) -> None:
    pytest.importorskip("pycocoevalcap.bleu.bleu_scorer")
    with pytest.raises(JavaError, match=r"the tokenizer gave \d lines for 2 captions: not version 3\.4\.1"):
        tokenize(["a", "b"], find_java(stand_in_java(tmp_path, body)), 100)
