"""The files of a container: found inside its folder, verified by their checksum, unpacked as a stream.

Promises: names come from an index that nobody vouches for, so none leads out of the folder; memory is one piece of a
file, whatever its size; bytes that are damaged are a Damaged with what to do, a fault of the machine stays an OSError.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from shards.base import PrintableError
from shards.base import load_json as parse_json
from tools.rows import MALFORMED, NO_MEDIA, AnnotationError, OptionError

PIECE = 1 << 22
"""Bytes that are read at once."""
_MAX_INDEX = 1 << 28
"""Bytes of an index; one of a million chunks has a tenth of it."""
_MAX_NAME = 255
"""Bytes of a name that a file may have."""
_MAX_DEPTH = 50
"""Levels of a YAML."""
_STREAMS = {
    "zstd": "zstd",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bz2",
    "br": "brotli",
    "brotli": "brotli",
    "lz4": "lz4",
}
"""Compressions that can be read as a stream -> their names in Arrow."""


class Damaged(PrintableError, ValueError):
    """Bytes of a container that cannot be used; says why and what to do. category: one of REASONS of tools/rows.py."""

    def __init__(self, message: str, category: str = MALFORMED) -> None:
        super().__init__(message)
        self.category = category


def check_folder(folder: Path, what: str) -> None:
    """Raise OptionError unless `folder` is one. what: a container of this form, for the message."""
    if not folder.is_dir():
        found = "is not a folder" if folder.exists() else "no such folder"
        raise OptionError(f"{folder}: {found}; --data wants {what}")


def read_json(path: Path) -> Any:
    """The value of an index file. Raises AnnotationError."""
    try:
        if path.stat().st_size > _MAX_INDEX:
            raise AnnotationError(f"{path}: has more than {_MAX_INDEX >> 20} MiB, which is no index; fetch it again")
        return parse_json(path.read_bytes(), _MAX_INDEX)
    except FileNotFoundError:
        raise OptionError(f"{path}: no such file; check --data") from None
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
    except ValueError as error:
        raise AnnotationError(f"{path}: not JSON that can be read ({error}); fetch it again") from error


def read_yaml(path: Path, max_bytes: int, remedy: str) -> Any:
    """The value of a YAML, plain values only. remedy: what to do where it cannot be read.

    Raises AnnotationError, OptionError.
    """
    import yaml

    try:
        if path.stat().st_size > max_bytes:
            raise AnnotationError(f"{path}: has more than {max_bytes >> 20} MiB; {remedy}")
        text, loader = path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        _check_nodes(yaml, text, loader)
        return yaml.load(text, loader)
    except FileNotFoundError:
        raise OptionError(f"{path}: no such file; {remedy}") from None
    except OSError as error:
        raise AnnotationError(f"{path}: cannot be read: {error.strerror}; check its permissions") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        what = " ".join(str(error).split())[:200]
        raise AnnotationError(f"{path}: not YAML that can be read ({what}); {remedy}") from error


def _check_nodes(yaml: Any, text: bytes, loader: Any) -> None:
    """Raise ValueError for a YAML that would crash what handles it: nested deep (libyaml's loader recurses), or with
    lists that stand for others, which multiply where they are printed."""
    depth, anchors = 0, set()
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            anchors.add(event.anchor)
            if depth > _MAX_DEPTH:
                raise ValueError(f"nested more than {_MAX_DEPTH} deep, line {event.start_mark.line + 1}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent) and event.anchor in anchors:
            raise ValueError(
                f"line {event.start_mark.line + 1}: *{event.anchor} stands for a list or object; write it out"
            )


def inside(folder: Path, name: Any, index: Path) -> Path:
    """The file that an index names, which may be missing. Raises AnnotationError for a name that leads out of the
    folder."""
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    is_long = any(len(part.encode("utf-8", "surrogatepass")) > _MAX_NAME for part in parts)
    if not parts or parts[0] == "/" or ".." in parts or "\0" in name or "\\" in name or is_long:
        raise AnnotationError(
            f"{index}: names the file {str(name)[:300]!r}, which is no path inside {folder}; correct the index"
        )
    return folder.joinpath(*parts)


def check_stored(path: Path, num_bytes: int | None, hashes: dict[str, str]) -> None:
    """Compare a file with its size and the checksums that are known of it. Raises Damaged."""
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        raise Damaged("the file is missing; fetch it again, or accept the loss", NO_MEDIA) from None
    if not path.is_file():
        raise Damaged("is no file; fetch it again, or accept the loss", NO_MEDIA)
    if num_bytes is not None and found != num_bytes:
        raise Damaged(f"has {found:,} bytes, the index says {num_bytes:,}; fetch it again, or accept the loss")
    for algorithm, expected in hashes.items():
        digest = _digest(path, algorithm)
        if digest != expected:
            raise Damaged(f"its {algorithm} is {digest}, the index says {expected}; fetch it again, or accept the loss")


def known_hash(algorithm: str) -> bool:
    """True for a checksum that can be computed here."""
    import xxhash

    return algorithm in hashlib.algorithms_guaranteed - {"shake_128", "shake_256"} or (
        algorithm in xxhash.algorithms_available
    )


def _digest(path: Path, algorithm: str) -> str:
    import xxhash

    digest = getattr(xxhash, algorithm)() if algorithm in xxhash.algorithms_available else hashlib.new(algorithm)
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return str(digest.hexdigest())


class Stream:
    """The bytes of a file from its begin to its end, unpacked where it is compressed."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next bytes, exactly so many. Raises Damaged where there are fewer."""
        import pyarrow as pa

        pieces, left = [], count
        while left:
            try:
                piece = self._file.read(min(left, 16 * PIECE))
            except (OSError, pa.ArrowException) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise Damaged(f"cannot be unpacked ({error}); fetch it again, or accept the loss") from error
            if not piece:
                raise Damaged(f"ends at byte {self.position:,}: it was cut off; fetch it again, or accept the loss")
            pieces.append(piece)
            left -= len(piece)
            self.position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, count: int) -> None:
        """Pass over so many bytes."""
        while count > 0:
            count -= len(self.take(min(count, PIECE)))


def check_compression(name: str, where: Path) -> None:
    """Raise AnnotationError for a compression that is not read here. name: as an index has it, perhaps with a level."""
    if name.partition(":")[0] not in _STREAMS:
        raise AnnotationError(
            f"{where}: is compressed with {name!r}; read are {', '.join(sorted(_STREAMS))}: write it again with one of "
            "them, or without"
        )


@contextmanager
def open_stream(path: Path, compression: str | None = None, start: int = 0) -> Iterator[Stream]:
    """A file as a stream. compression: as `check_compression` lets it pass; None: the bytes as they are. start: byte of
    the file at which it begins."""
    if compression is None:
        with open(path, "rb") as plain:
            plain.seek(start)
            yield Stream(plain)
        return
    import pyarrow as pa

    with pa.OSFile(os.fspath(path), "rb") as packed:
        packed.seek(start)
        with pa.CompressedInputStream(packed, _STREAMS[compression.partition(":")[0]]) as unpacked:
            yield Stream(unpacked)


def unpack_all(data: bytes, limit: int) -> bytes:
    """Bytes that are compressed with zstd. limit: bytes that they may take. Raises Damaged."""
    import pyarrow as pa

    pieces: list[bytes] = []
    try:
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as unpacked:
            while (piece := unpacked.read(PIECE)) and sum(map(len, pieces)) <= limit:
                pieces.append(piece)
    except (OSError, pa.ArrowException) as error:
        raise Damaged(f"cannot be unpacked ({error}); fetch it again, or accept the loss") from error
    if sum(map(len, pieces)) > limit:
        raise Damaged(f"takes more than {limit:,} bytes when unpacked; accept the loss")
    return b"".join(pieces)
