"""Text as token ids: CLIP's byte pairs, 49,408 with the start and the end of a text.

A text is cleaned (encoding mended, HTML unescaped, white space collapsed, lower case) and split into runs of letters,
single digits and runs of other marks; the bytes of each are merged pair by pair. Every byte has a piece, so nothing is
unknown; "!" is piece 0, and there is no piece for padding. The merges come from a local path or, without one, from the
PyPI package open_clip_torch, which is not imported. Nothing is downloaded. Encoding changes no state, so the loader's
threads may share one. A text that spells a special token ("<end_of_text>") is text like any other.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import zlib
from importlib import metadata
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from mcg.text.texts import Ids

_PACKAGE = "open_clip_torch"
_NAMES = ("bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt", "merges.txt")
_REMEDY = f"model.vocabulary must name CLIP's {_NAMES[0]} or {_NAMES[2]}, or a folder that holds one"
_NUM_MERGES = 48_894
_NUM_PUBLISHED = 262_144
"""Merges of OpenAI's file, of which CLIP uses the first."""
_MAX_BYTES = 16 << 20
"""Of the file and of what it unpacks to; OpenAI's has 3.1 MB."""
_WORD_END = "</w>"
_WORD = Regex(r"(?i)'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+")


class BytePairs:
    """Texts to ids and back. `size` counts the pieces with the start and the end. Raises FileNotFoundError for merges
    that are not there and ValueError for a file that does not hold CLIP's, both with the remedy."""

    def __init__(self, vocabulary: str | None = None) -> None:
        self.file = file = _find_merges(vocabulary)
        merges = _merges(file)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        pieces = [*alphabet, *(char + _WORD_END for char in alphabet), *map("".join, merges)]
        numbers = {piece: number for number, piece in enumerate(pieces)}
        self._tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=merges, end_of_word_suffix=_WORD_END))
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(_WORD, "removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self.fingerprint = hashlib.blake2b("\n".join(pieces).encode(), digest_size=8).hexdigest()
        """Says which byte pairs these are; 16 hexadecimal digits."""
        self.start, self.end = len(pieces), len(pieces) + 1
        self.size = len(pieces) + 2
        self._spellings = _spellings(alphabet, merges, numbers)
        ends_word = [spelling.endswith(b" ") for spelling in self._spellings]
        self._ends_word = np.array([*ends_word, True, True])

    def encode(self, text: str, max_tokens: int) -> Ids:
        """The start, the pieces of the text, the end: int64 (L,), cut to max_tokens, the end kept."""
        pieces = self.pieces(text)[: max(0, max_tokens - 2)]
        return np.array([self.start, *pieces, self.end], dtype=np.int64)

    def pieces(self, text: str) -> list[int]:
        """Ids of the pieces of a text, without start and end; none where nothing is left of it after cleaning."""
        return list(self._tokenizer.encode(clean(text), add_special_tokens=False).ids)

    def num_pieces(self, text: str) -> int:
        """Pieces of a text, start and end not counted."""
        return len(self.pieces(text))

    def words(self, ids: Ids) -> Ids:
        """Number of the word that each piece belongs to, the start being word 0: int64 (L,). The end is a word of its
        own, also behind a word that is cut."""
        ended = np.concatenate([[True], self._ends_word[ids[:-1]]])[: len(ids)]
        return np.cumsum(ended | (ids == self.end)) - 1

    def decode(self, ids: Ids) -> str:
        """The cleaned text of ids up to the first end, the start left out, one space behind every word. What is no
        UTF-8, such as a letter that is cut, becomes U+FFFD."""
        end = np.flatnonzero(ids == self.end)
        kept = (int(i) for i in ids[: end[0] if len(end) else len(ids)])
        return b"".join(self._spellings[i] for i in kept if i < self.start).decode("utf-8", "replace").strip(" ")


def clean(text: str) -> str:
    """A text as CLIP reads it, like open_clip's SimpleTokenizer: ftfy's mending, HTML entities unescaped twice, single
    spaces, lower case. May be empty."""
    from ftfy import fix_text  # slow to import, and `--help` has no text to clean

    return " ".join(html.unescape(html.unescape(fix_text(text))).split()).lower()


def _find_merges(path: str | None) -> Path:
    """The merges at `path`, or those of the installed package. Raises FileNotFoundError with the remedy."""
    if path is not None:
        given = Path(path).expanduser()
        found = [given / name for name in _NAMES] if given.is_dir() else [given]
        for file in found:
            if file.is_file():
                return file
        raise FileNotFoundError(f"{given}: no merges of byte pairs there; {_REMEDY}")
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for entry in files:
        if entry.name == _NAMES[0] and (file := Path(str(entry.locate()))).is_file():
            return file
    raise FileNotFoundError(f"no merges of CLIP's byte pairs found: pip install {_PACKAGE}, or: {_REMEDY}")


def _merges(file: Path) -> list[tuple[str, str]]:
    """CLIP's merges, the most frequent first. Raises ValueError for a file that does not hold them."""
    lines = _read(file).split("\n")
    if lines[-1].strip() == "":
        lines.pop()
    count = len(lines) - 1  # the first line says the version
    if count not in (_NUM_MERGES, _NUM_PUBLISHED):
        raise ValueError(
            f"{file}: {max(0, count):,} merges, CLIP's files have {_NUM_MERGES:,} or {_NUM_PUBLISHED:,}: it is cut, or "
            f"another model's; {_REMEDY}"
        )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    known = {*alphabet, *(char + _WORD_END for char in alphabet)}
    merges = []
    for number, line in enumerate(lines[1 : 1 + _NUM_MERGES], 2):
        pair = line.split()
        if len(pair) != 2 or not known.issuperset(pair) or "".join(pair) in known:
            raise ValueError(
                f"{file}: line {number}: {line[:60]!r} does not make a new piece of two that stand before it: the file "
                f"is broken, or another model's; {_REMEDY}"
            )
        known.add("".join(pair))
        merges.append((pair[0], pair[1]))
    if not any(right.endswith(_WORD_END) for _, right in merges):
        raise ValueError(f"{file}: no piece ends a word ({_WORD_END}): another model's merges; {_REMEDY}")
    return merges


def _read(file: Path) -> str:
    """The text of a file, packed or not. Raises ValueError."""
    try:
        with file.open("rb") as opened:
            is_packed = opened.read(2) == b"\x1f\x8b"
        with gzip.open(file) if is_packed else file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{file}: cannot be read, the file is cut or broken ({error}); {_REMEDY}") from error
    if len(content) > _MAX_BYTES:
        raise ValueError(f"{file}: more than {_MAX_BYTES >> 20} MB, no merges of CLIP's; {_REMEDY}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 ({error}), no merges of CLIP's; {_REMEDY}") from error


def _spellings(alphabet: list[str], merges: list[tuple[str, str]], numbers: dict[str, int]) -> list[bytes]:
    """The bytes of every piece, with a space behind one that ends a word. Bytes that print stand for themselves in the
    alphabet, and the others follow in their order."""
    printed = [ord(char) for char in alphabet if ord(char) < 256]
    others = sorted(set(range(256)) - set(printed))
    spellings = [bytes([byte]) for byte in [*printed, *others]]
    spellings += [byte + b" " for byte in spellings]
    for left, right in merges:
        spellings.append(spellings[numbers[left]] + spellings[numbers[right]])
    return spellings
