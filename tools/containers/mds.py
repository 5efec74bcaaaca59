"""MosaicML Streaming's MDS: index.json (version 2) and its shards, read record by record.

A shard is: uint32 count, count + 1 uint32 offsets, a json of its columns, the samples. A sample is: uint32 sizes of the
columns whose size is not fixed, then the values of all columns, in the order of their names (mosaicml-streaming 0.13).
Promises: each shard is compared with its size and all checksums that the index has before a record of it is given out;
then it is read once as a stream, compressed or not; memory is the offsets and one sample. Nothing is unpickled.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from shards.dataset import MAX_MEDIA_BYTES
from tools.containers import binary_values as values
from tools.containers.files import (
    Damaged,
    Stream,
    check_compression,
    check_stored,
    inside,
    known_hash,
    open_stream,
    read_json,
)
from tools.rows import AnnotationError

_MAX_SAMPLES = 1 << 30
"""Samples of a shard: offsets are uint32, and each takes 4 bytes."""
_DECODERS: dict[str, values.Decode] = {
    **{"bytes": bytes, "jpeg": bytes, "png": bytes, "str": values.as_text, "json": values.as_json},
    **{"int": values.number("q"), "int8": values.number("b"), "int16": values.number("h")},
    **{"int32": values.number("i"), "int64": values.number("q"), "uint8": values.number("B")},
    **{"uint16": values.number("H"), "uint32": values.number("I"), "uint64": values.number("Q")},
    **{"float16": values.number("e"), "float32": values.number("f"), "float64": values.number("d")},
    **{"str_int": values.as_number_text, "str_float": values.as_number_text, "str_decimal": values.as_number_text},
    **{"jpeg_array": values.as_pictures, "jpegarray": values.as_pictures},
    **dict.fromkeys(("list[jpeg]", "list[png]"), partial(values.as_pictures, start=4)),
    **dict.fromkeys(("pil", "list[pil]", "ndarray"), values.opaque),
}
PICKLED = ("pkl",)


class MdsShard(NamedTuple):
    """A shard as the index describes it."""

    name: str
    """As in the index."""
    path: Path
    """The file that is read: the shard, or its compressed form."""
    compression: str | None
    num_bytes: int
    """Of that file."""
    hashes: dict[str, str]
    """Of that file."""
    num_samples: int
    columns: tuple[tuple[str, str, int | None], ...]
    """(name, encoding, bytes of a value or None where they differ) in the order of a sample."""


def read_index(folder: Path) -> list[MdsShard]:
    """The shards of a folder with an index.json. Raises AnnotationError."""
    path = folder / "index.json"
    index = read_json(path)
    if not isinstance(index, dict) or index.get("version") != 2 or not isinstance(index.get("shards"), list):
        raise AnnotationError(f"{path}: is no index of MDS shards of version 2; give the folder of such an index")
    return [_shard(folder, path, number, entry) for number, entry in enumerate(index["shards"])]


def read_shard(shard: MdsShard, skip: Collection[str] = ()) -> Iterator[tuple[int, Mapping[str, Any] | Damaged]]:
    """(number, values by column) of each sample, without raw pixels and arrays. skip: columns that are not decoded.

    Raises Damaged.
    """
    check_stored(shard.path, shard.num_bytes, shard.hashes)
    with open_stream(shard.path, shard.compression) as stream:
        starts = _offsets(stream, shard.num_samples)
        stream.skip(starts[0] - stream.position)
        for number in range(shard.num_samples):
            size = starts[number + 1] - starts[number]
            if size > MAX_MEDIA_BYTES:
                stream.skip(size)
                yield number, Damaged(f"has {size:,} bytes, allowed are {MAX_MEDIA_BYTES:,}; accept the loss")
                continue
            sample = stream.take(size)
            try:
                yield number, _values(sample, shard, skip)
            except Damaged as flaw:
                yield number, flaw


def _shard(folder: Path, index: Path, number: int, entry: Any) -> MdsShard:
    where = f"{index}: shard {number}"
    try:
        if entry["format"] != "mds" or entry["version"] != 2:
            raise AnnotationError(
                f"{where}: its form is {entry['format']!r} of version {entry['version']!r}; read is mds of version 2"
            )
        names, encodings, sizes = (entry[f"column_{what}"] for what in ("names", "encodings", "sizes"))
        columns = tuple(zip(names, encodings, sizes, strict=True))
        num_samples = entry["samples"]
        packed, plain, compression = entry["zip_data"], entry["raw_data"], entry["compression"]
        path = inside(folder, plain["basename"], index)
        is_packed = packed is not None and compression is not None and not path.exists()
        stored = packed if is_packed else plain
        hashes, num_bytes = dict(stored["hashes"]), stored["bytes"]
        if is_packed:
            path = inside(folder, packed["basename"], index)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(
            f"{where}: cannot be read ({type(error).__name__}: {error}); write the index again"
        ) from error
    _check_numbers(where, num_samples, num_bytes, columns)
    unknown = sorted(name for name in hashes if not known_hash(str(name)))
    if unknown:
        raise AnnotationError(f"{where}: checksums {', '.join(map(str, unknown))} are not known; take them out of it")
    if is_packed:
        check_compression(str(compression), index)
    return MdsShard(
        str(plain["basename"]), path, str(compression) if is_packed else None, num_bytes, hashes, num_samples, columns
    )


def _check_numbers(where: str, num_samples: Any, num_bytes: Any, columns: tuple[tuple[Any, Any, Any], ...]) -> None:
    fits = all(
        isinstance(name, str) and isinstance(encoding, str) and (size is None or (isinstance(size, int) and size > 0))
        for name, encoding, size in columns
    )
    for value in (num_samples, num_bytes):
        fits = fits and isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not fits or not columns or num_samples > _MAX_SAMPLES:
        raise AnnotationError(f"{where}: its columns, samples or bytes make no sense; write the index again")
    known = (*_DECODERS, *PICKLED)
    strange = [encoding for _, encoding, _ in columns if encoding.partition(":")[0] not in known]
    if strange:
        raise AnnotationError(
            f"{where}: the encoding {strange[0]!r} is not known; write the column in one of {', '.join(known)}"
        )


def _offsets(stream: Stream, num_samples: int) -> tuple[int, ...]:
    """The begin of each sample and the end of the last, in bytes of the shard. Raises Damaged."""
    (count,) = struct.unpack("<I", stream.take(4))
    if count != num_samples:
        raise Damaged(f"holds {count:,} samples, the index says {num_samples:,}; fetch both again")
    starts: tuple[int, ...] = struct.unpack(f"<{count + 1}I", stream.take(4 * (count + 1)))
    if starts[0] < stream.position or any(one > other for one, other in pairwise(starts)):
        raise Damaged("its offsets run backwards; fetch it again, or accept the loss")
    return starts


def _values(sample: bytes, shard: MdsShard, skip: Collection[str]) -> dict[str, Any]:
    at = 4 * sum(size is None for _, _, size in shard.columns)
    if at > len(sample):
        raise Damaged(f"has {len(sample)} bytes, fewer than the sizes of its columns take; accept the loss")
    stated = iter(struct.unpack_from(f"<{at // 4}I", sample))
    found = {}
    for name, encoding, fixed in shard.columns:
        size = next(stated) if fixed is None else fixed
        if at + size > len(sample):
            raise Damaged(f"the column {name!r} claims {size} bytes, {len(sample) - at} are left; accept the loss")
        decode = values.opaque if name in skip else _DECODERS[encoding.partition(":")[0]]
        value = decode(sample[at : at + size])
        if value is not values.OPAQUE:
            found[name] = value
        at += size
    return found
