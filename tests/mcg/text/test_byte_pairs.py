"""CLIP's byte pairs: the ids of open_clip and transformers, spelling back, where the merges come from, broken files."""

from __future__ import annotations

import csv
import gzip
import html
import importlib.util
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPTokenizerFast

from mcg.text.byte_pairs import BytePairs, clean
from mcg.text.texts import NO_LIMIT

CODEC = BytePairs()
MERGES = gzip.decompress(CODEC.file.read_bytes()).decode().split("\n")
SHORT = MERGES[: 1 + 48_894]
CAPTIONED = ("activitynet_cap", "cc3m", "didemo", "lsmdc", "msrvtt_ret", "msvd_cap", "webvid", "youcook2")
"""Folders of published annotations whose texts are captions."""
ODD = [
    "",
    "   ",
    "Don't! They've SAID it's the dog's, we'll see; I'm 'R'E'",
    "Ein Mann f\u00e4hrt Rad \u2013 sch\u00f6n!",
    "mojibake: schÃ¶n, l\u00e2\u20ac\u2122eau",
    "&lt;b&gt;bold &amp;amp; more&lt;/b&gt; &eacute;",
    "一个人在骑自行车 emoji 🚲🐶👩‍👩‍👧 caption",
    "tab\there\nnew line\u2028\u00a0\u3000end",
    "\x00\x07bell \x1b[31mred\x1b[0m",
    "half a pair \ud83d, alone \udc00",
    "1234567890 ½ ²x ٣ Ⅷ",
    "İstanbul ΟΔΟΣ ſtraße ǆ ﬁne a\u0345b e\u0301 हिन्दी",
    "</w> a</w>b <w>",
    "!" * 100,
    "looooooo" + "o" * 2000 + "ng",
]
Ids = Callable[[str], list[int]]


@pytest.fixture(scope="module")
def open_clip() -> Any:
    """open_clip's SimpleTokenizer; only its module is loaded, not the models beside it."""
    spec = importlib.util.spec_from_file_location("open_clip_tokenizer", CODEC.file.with_name("tokenizer.py"))
    assert spec is not None and spec.loader is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKENIZERS_PARALLELISM", "false")  # which it sets; so it is taken back
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.SimpleTokenizer()


@pytest.fixture(scope="module")
def of_transformers() -> Ids:
    numbers = {piece: number for number, piece in enumerate(_pieces())}
    tokenizer = CLIPTokenizerFast(vocab=numbers, merges=[tuple(line.split()) for line in SHORT[1:]])
    return lambda cleaned: tokenizer(cleaned)["input_ids"]


def _pieces() -> list[str]:
    printed = [chr(i) for i in range(256) if chr(i).isprintable() and not chr(i).isspace()]
    alphabet = printed + [chr(256 + i) for i in range(256 - len(printed))]
    merged = ["".join(line.split()) for line in SHORT[1:]]
    return [*alphabet, *(c + "</w>" for c in alphabet), *merged, "<|startoftext|>", "<|endoftext|>"]


def _texts(folder: Path) -> Iterator[str]:
    """All texts of several words in the json and csv files of a folder."""
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".json", ".jsonl"):
            lines = file.read_text(encoding="utf-8")
            whole = not lines.startswith("{") or file.suffix == ".json"
            try:
                found = [json.loads(lines)] if whole else []
            except ValueError:
                whole = False
            yield from _strings(found if whole else [json.loads(line) for line in lines.splitlines()])
        elif file.suffix in (".csv", ".tsv"):
            with file.open(encoding="utf-8", errors="replace", newline="") as opened:
                delimiter = "\t" if "\t" in opened.readline() else ","
                opened.seek(0)
                yield from _strings(list(csv.reader(opened, delimiter=delimiter)))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        if " " in value.strip():
            yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _check(texts: list[str], open_clip: Any, of_transformers: Ids | None = None) -> None:
    for text in texts:
        ids, cleaned = CODEC.encode(text, NO_LIMIT).tolist(), clean(text)
        assert ids == [49406, *open_clip.encode(text), 49407], text
        assert of_transformers is None or ids == of_transformers(cleaned), text
        spelled = CODEC.decode(np.array(ids))
        assert spelled.replace(" ", "") == cleaned.replace(" ", "").replace("\u0345", ""), text


def test_the_installed_merges_are_clips() -> None:
    assert (CODEC.size, CODEC.start, CODEC.end) == (49408, 49406, 49407)
    assert CODEC.encode("two skateboarders jumping over stairs", 14).tolist() == [
        *(49406, 1237, 13740, 7837, 1923, 11476, 962, 9577, 49407)  # shared/golden/t2vlp_stage2_a.json
    ]
    assert CODEC.pieces("!")[0] == 256 and CODEC.decode(np.array([0])) == "!"


def test_odd_texts_have_the_ids_of_open_clip(open_clip: Any) -> None:
    _check(ODD, open_clip)


@given(st.text(st.characters(exclude_categories=("Cs", "Cn")), max_size=40))
def test_any_text_has_the_ids_of_open_clip(open_clip: Any, text: str) -> None:
    _check([text], open_clip)


def test_odd_captions_have_the_ids_of_open_clip_and_transformers(
    corpus: Path, open_clip: Any, of_transformers: Ids
) -> None:
    captions = [*_texts(corpus / "annotations" / "odd_captions"), *_texts(corpus / "annotations" / "captions")]
    assert len(captions) > 200
    _check(captions, open_clip, of_transformers)


def test_some_published_captions_have_the_ids_of_open_clip_and_transformers(
    published: Path, open_clip: Any, of_transformers: Ids
) -> None:
    captions = [text for name in ("didemo", "webvid") for text in _texts(published / name)][::29]
    assert len(captions) > 200
    _check(captions, open_clip, of_transformers)


@pytest.mark.long
def test_all_published_captions_have_the_ids_of_open_clip_and_transformers(
    published: Path, corpus: Path, open_clip: Any, of_transformers: Ids
) -> None:
    captions = {text for name in CAPTIONED for text in _texts(published / name)}
    assert len(captions) > 40_000
    _check([*captions, *{*_texts(corpus / "annotations")}], open_clip, of_transformers)


@given(st.lists(st.text("abcdefghijklmnopqrstuvwxyzäöüßжий一个", min_size=1, max_size=9), max_size=9))
def test_words_are_spelled_back(words: list[str]) -> None:
    text = clean(" ".join(words))
    assert CODEC.decode(CODEC.encode(text, NO_LIMIT)) == text


@given(st.text(max_size=60))
def test_a_text_without_its_spaces_is_spelled_back(text: str) -> None:
    spelled = CODEC.decode(CODEC.encode(text, NO_LIMIT))
    assert spelled.replace(" ", "") == clean(text).replace(" ", "").replace("\u0345", "")  # CLIP drops this mark


@given(st.text(max_size=60), st.integers(2, 12))
def test_a_text_is_cut_and_keeps_its_ends(text: str, max_tokens: int) -> None:
    ids, whole = CODEC.encode(text, max_tokens), CODEC.encode(text, NO_LIMIT)
    assert ids.dtype == np.int64 and len(ids) == min(len(whole), max_tokens)
    assert ids[0] == CODEC.start and ids[-1] == CODEC.end
    assert ids[:-1].tolist() == whole[: len(ids) - 1].tolist()
    assert CODEC.num_pieces(text) == len(whole) - 2
    CODEC.decode(ids)


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x01\x02", "&nbsp;&#32;", "\ufeff"])
def test_of_some_texts_nothing_is_left(text: str) -> None:
    assert clean(text) == "" and CODEC.num_pieces(text) == 0
    assert CODEC.encode(text, 30).tolist() == [CODEC.start, CODEC.end]


@pytest.mark.parametrize("text", ["<|endoftext|>", "<end_of_text> <start_of_text>", html.escape("<|startoftext|>")])
def test_no_text_spells_a_special_token(text: str) -> None:
    assert max(CODEC.pieces(text)) < CODEC.start


def test_pieces_of_a_word_share_its_number() -> None:
    ids = CODEC.encode("two skateboarders, jumping", 30)  # skate board ers
    assert CODEC.words(ids).tolist() == [0, 1, 2, 2, 2, 3, 4, 5]
    assert CODEC.words(CODEC.encode("two skateboarders", 4)).tolist() == [0, 1, 2, 3]  # the end is no part of a word


def test_decode_ends_at_the_first_end_and_bears_a_letter_that_is_cut() -> None:
    ids = CODEC.encode("a dog", 9)
    assert CODEC.decode(np.concatenate([ids, CODEC.encode("junk", 9), np.zeros(3, np.int64)])) == "a dog"
    assert CODEC.decode(ids[:2]) == "a" and CODEC.decode(ids[:0]) == ""
    assert CODEC.decode(CODEC.encode("🚲" * 3 + "ö\u9fff", NO_LIMIT)[:-2]).endswith("\ufffd")


def test_threads_may_share_one_codec() -> None:
    texts = [f"number {i} of some {'very ' * (i % 7)}different texts, skateboarders {i * 7919}" for i in range(400)]
    alone = [CODEC.encode(text, 5 + i % 9).tolist() for i, text in enumerate(texts)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: CODEC.encode(pair[1], 5 + pair[0] % 9).tolist(), enumerate(texts)))
    assert together == alone


@pytest.mark.parametrize("name", ["merges.txt", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"])
def test_merges_can_be_given_as_file_or_folder_packed_or_not(tmp_path: Path, name: str) -> None:
    as_folder = name == "merges.txt"
    content = ("\r\n" if as_folder else "\n").join(SHORT).encode()
    (tmp_path / name).write_bytes(gzip.compress(content, 1) if name.endswith("gz") else content)
    codec = BytePairs(str(tmp_path if as_folder else tmp_path / name))
    assert codec.file == tmp_path / name and codec.fingerprint == CODEC.fingerprint
    assert codec.encode("two skateboarders", 9).tolist() == CODEC.encode("two skateboarders", 9).tolist()


def test_missing_merges_name_the_file_and_the_setting(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            FileNotFoundError, match=rf"{place.name}: no merges .* model\.vocabulary must name CLIP's bpe"
        ):
            BytePairs(str(place))


def test_a_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    remedy = r"pip install open_clip_torch, or: model\.vocabulary must name"
    monkeypatch.setattr(metadata, "files", not_installed)
    with pytest.raises(FileNotFoundError, match=remedy):
        BytePairs()
    monkeypatch.setattr(metadata, "files", lambda name: None)  # installed without a list of its files
    with pytest.raises(FileNotFoundError, match=remedy):
        BytePairs()


def _text(lines: list[str]) -> bytes:
    return "\n".join(lines).encode()


PACKED = gzip.compress(_text(SHORT), 1)
BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"0 merges, CLIP's files have 48,894 or 262,144: it is cut, or another model's"),
    "cut": (_text(SHORT)[:400_000], r"[\d,]+ merges, CLIP's files have"),
    "cut in its last line": (_text(SHORT)[:-7], r"line 48895: 'jeky' does not make a new piece"),
    "longer": (_text([*SHORT, "zz zzz"]), r"48,895 merges, CLIP's files have"),
    "other words": (_text(["[PAD]", "[UNK]", "dog"]), r"2 merges, CLIP's files have"),
    "json": (b'{"!": 0}', r"0 merges, CLIP's files have"),
    "gz cut": (PACKED[:-100_000], r"cannot be read, the file is cut or broken \(.*end-of-stream"),
    "gz with a flipped byte": (PACKED[:9000] + b"\xff\x00\xff" + PACKED[9003:], r"cannot be read, .* broken \("),
    "gz head alone": (b"\x1f\x8b", r"cannot be read, the file is cut or broken \("),
    "gz bomb": (gzip.compress(bytes(20 << 20), 1), r"more than 16 MB, no merges of CLIP's"),
    "not text": (b"\xff\xfe\x00" * 1000, r"not UTF-8 \("),
    "a line broken": (_text([*SHORT[:99], "i", *SHORT[100:]]), r"line 100: 'i' does not make a new piece of two"),
    "a line twice": (_text([*SHORT[:99], SHORT[50], *SHORT[100:]]), r"line 100: .* does not make a new piece of two"),
    "lines changed round": (_text([SHORT[0], *SHORT[:0:-1]]), r"line 2: .* does not make a new piece of two"),
    "hostile": (_text([*SHORT[:99], "\x1b[31m" + "a" * 999, *SHORT[100:]]), r"line 100: '\\x1b\[31ma{1,60}' does not"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_is_broken_or_another_models_is_refused_with_its_name_and_the_remedy(
    tmp_path: Path, kind: str
) -> None:
    content, found = BROKEN[kind]
    file = tmp_path / "merges.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=rf"merges\.txt: {found}[^\n]*model\.vocabulary must name CLIP's") as caught:
        BytePairs(str(file))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_merges_of_another_kind_of_byte_pairs_are_refused(tmp_path: Path) -> None:
    letters = [chr(ord("a") + i) for i in range(26)] + [str(i) for i in range(10)]
    pairs = [f"{a} {b}" for a in letters for b in letters]
    pairs += [f"{pair.replace(' ', '')} {c}" for pair in pairs for c in letters]
    file = tmp_path / "merges.txt"
    file.write_bytes(_text(["#version: 0.2", *pairs, *(f"{p.replace(' ', '')} a" for p in pairs[1296:])][: 1 + 48_894]))
    with pytest.raises(ValueError, match=r"no piece ends a word \(</w>\): another model's merges; model\.vocabulary"):
        BytePairs(str(file))
