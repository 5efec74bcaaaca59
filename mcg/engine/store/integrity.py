"""Checksums of a checkpoint's files and of its description, and pushing all of it to the disk.

A changed bit anywhere is found: each file has its XXH3 in checkpoint.json, whose own content has one under "checksum".
Whoever changes files on purpose can make new checksums; that is no case for this module. Loads no torch.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xxhash

_PIECE_BYTES = 1 << 24


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes and XXH3 (128 bits, hexadecimal) of a file."""

    bytes: int
    xxh3: str

    @classmethod
    def of(cls, file: Path) -> FileFacts:
        """Those of a file as it is now. Raises OSError."""
        digest, size = xxhash.xxh3_128(), 0
        with file.open("rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
        return cls(size, digest.hexdigest())


def seal(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with a checksum over their content; formatting and the order of keys do not matter."""
    return {**facts, "checksum": _checksum(facts)}


def is_sealed(facts: Mapping[str, Any]) -> bool:
    """True if the facts are those that were sealed."""
    return facts.get("checksum") == _checksum({name: value for name, value in facts.items() if name != "checksum"})


def seal_line(text: str) -> str:
    """A line of one word with its checksum behind it."""
    return f"{text} xxh3:{xxhash.xxh3_64_hexdigest(text.encode())}\n"


def read_line(data: bytes) -> str | None:
    """The word of a sealed line, or of a line without a checksum, as people write it; None if it was changed."""
    words = data.decode("utf-8", "replace").split()
    by_hand = len(words) == 1 and re.fullmatch(r"[a-z]+-\d+(\.\d+)?", words[0])
    if by_hand or (len(words) == 2 and seal_line(words[0]).split() == words):
        return words[0]
    return None


def problem_with(folder: Path, files: Mapping[str, FileFacts], names: Iterable[str]) -> str | None:
    """What is wrong with the first of these files that is not as it was written, in words; None: all are whole."""
    for name in names:
        file, wanted = folder / name, files[name]
        try:
            found = FileFacts.of(file)
        except FileNotFoundError:
            return f"{file}: not readable: it is missing"
        except OSError as error:
            return f"{file}: not readable: {error.strerror or error}"
        if found.bytes != wanted.bytes:
            return f"{file}: not readable: has {found.bytes} bytes, and {wanted.bytes} were saved"
        if found != wanted:
            return f"{file}: not readable: is not what was saved (XXH3 {found.xxh3[:12]}, saved {wanted.xxh3[:12]})"
    return None


def foreign_file(folder: Path, files: Mapping[str, FileFacts]) -> Path | None:
    """A file among the training state that was not saved with it, or weights beside those that were."""
    found = [*(folder / "state").rglob("*"), *folder.glob("*.safetensors"), *folder.glob("*.pt")]
    return next((f for f in sorted(found) if f.is_file() and f.relative_to(folder).as_posix() not in files), None)


def to_json(files: Mapping[str, FileFacts]) -> dict[str, dict[str, Any]]:
    """Facts of files by name, as checkpoint.json has them."""
    return {name: asdict(files[name]) for name in sorted(files)}


def from_json(stored: Mapping[str, Mapping[str, Any]]) -> dict[str, FileFacts]:
    """The reverse of to_json. Raises LookupError, TypeError, ValueError for what it did not write."""
    for name in stored:
        if name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"names the file {name[:80]!r}, which is not below the checkpoint")
    return {name: FileFacts(int(one["bytes"]), str(one["xxh3"])) for name, one in stored.items()}


def write_text(file: Path, text: str) -> None:
    """Write a file anew, and have it on the disk."""
    with file.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def keep_folder(folder: Path) -> None:
    """Have a folder's entries on the disk: what was made in it, renamed into it or removed from it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(facts: Mapping[str, Any]) -> str:
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return f"xxh3:{xxhash.xxh3_128_hexdigest(canonical.encode())}"
