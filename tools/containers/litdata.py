"""LitData: index.json and its chunks, read item by item.

A chunk is: uint32 count, count + 1 uint32 offsets in the file, the items. An item is: uint32 size of each of its
leaves, then the leaves. A chunk may also be one zstd stream of that (.zstd.bin), hold items that are each compressed
(compression_level "sample"), hold them in frames of several (begins with LDFZ01; "batch"), or hold none and end with
an Arrow file of the records (ends with LDARW01). litdata 0.2.76, its BinaryWriter and framed zstd.
Promises: a chunk is read once as a stream; memory is the offsets and one item. LitData keeps no checksums; offsets,
counts and sizes are compared with the bytes that are there. Nothing is unpickled.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from shards.dataset import MAX_MEDIA_BYTES
from tools.containers import binary_values as values
from tools.containers.arrow import footer_records
from tools.containers.files import Damaged, Stream, check_stored, inside, open_stream, read_json, unpack_all
from tools.containers.tree_spec import leaf_names
from tools.rows import AnnotationError

Items = Iterator[tuple[int, Mapping[str, Any] | Damaged]]
PICKLED = ("pickle",)
_DECODERS: dict[str, values.Decode] = {
    **{"str": values.as_text, "text": values.as_text, "json": values.as_nested, "jpeg_array": values.as_pictures},
    **{"int": values.number("q"), "float": values.number("d"), "bool": values.as_flag},
    **dict.fromkeys(("bytes", "jpeg", "image", "video", "file"), bytes),
}
_MAX_ITEMS = 1 << 30
_ZSTD, _FRAMED, _ARROW = b"\x28\xb5\x2f\xfd", b"LDFZ01\0\0", b"LDARW01\0"
_FRAMED_HEAD, _FRAME = struct.Struct("<8sHHIII"), struct.Struct("<IIQII")
"""Magic, version, flags, items, items of a frame, frames; first item, items, offset, bytes packed and unpacked."""


class LitData(NamedTuple):
    """An index: the chunks with their numbers of items, and the leaves of an item."""

    chunks: list[tuple[str, Path, int]]
    """(name, file, items)."""
    leaves: list[tuple[str, str]]
    """(name, form); nested ones are named by their path, as in "meta.caption"."""
    packs_items: bool
    """Each item is compressed by itself."""


def read_index(folder: Path) -> LitData:
    """The index of a folder. Raises AnnotationError."""
    path = folder / "index.json"
    index = read_json(path)
    try:
        config, entries = index["config"], index["chunks"]
        forms, spec = config["data_format"], config.get("data_spec")
        loader, encryption = config.get("item_loader") or "PyTreeLoader", config.get("encryption")
        packs_items = config.get("compression_level") == "sample"
        chunks = [
            (str(entry["filename"]), inside(folder, entry["filename"], path), entry["chunk_size"]) for entry in entries
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise AnnotationError(
            f"{path}: is no index of LitData chunks ({type(error).__name__}: {error}); give the folder of such an index"
        ) from error
    if loader != "PyTreeLoader" or not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
        raise AnnotationError(
            f"{path}: holds items for {loader}, which are no samples with media and texts; give what they were made of"
        )
    if encryption is not None:
        raise AnnotationError(f"{path}: the chunks are encrypted; write them again without encryption")
    for name, _, count in chunks:
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= _MAX_ITEMS:
            raise AnnotationError(f"{path}: {name} has {count!r} items, which makes no sense; write the index again")
    return LitData(chunks, list(zip(leaf_names(spec, len(forms), path), forms, strict=True)), packs_items)


def read_chunk(index: LitData, path: Path, count: int, skip: Collection[str] = ()) -> Items:
    """(number, values by leaf) of each item of a chunk that holds `count`. skip: leaves that are not decoded.

    Raises Damaged.
    """
    check_stored(path, None, {})
    with open(path, "rb") as file:
        head = file.read(8)
        file.seek(max(0, os.fstat(file.fileno()).st_size - 12))
        tail = file.read()
    if tail.endswith(_ARROW) and len(tail) == 12:
        size = int.from_bytes(tail[:4], "little")
        start = path.stat().st_size - 12 - size
        if start < 0:
            raise Damaged(f"claims {size} bytes of records, more than it has; fetch it again, or accept the loss")
        for number, record in footer_records(path, start, size):
            yield number, {name: value for name, value in record.items() if name not in skip}
        return
    items = _framed(path, count) if head == _FRAMED else _classic(path, head.startswith(_ZSTD), count)
    for number, item in items:
        try:
            item = item if isinstance(item, Damaged) or not index.packs_items else unpack_all(item, MAX_MEDIA_BYTES)
            yield number, item if isinstance(item, Damaged) else _values(item, index.leaves, skip)
        except Damaged as flaw:
            yield number, flaw


def _classic(path: Path, is_packed: bool, count: int) -> Iterator[tuple[int, bytes | Damaged]]:
    with open_stream(path, "zstd" if is_packed else None) as stream:
        _check_count(struct.unpack("<I", stream.take(4))[0], count)
        starts = struct.unpack(f"<{count + 1}I", stream.take(4 * (count + 1)))
        if starts[0] < stream.position:
            raise Damaged("its offsets make no sense; fetch it again, or accept the loss")
        stream.skip(starts[0] - stream.position)
        yield from _items(stream, starts)


def _framed(path: Path, count: int) -> Iterator[tuple[int, bytes | Damaged]]:
    with open_stream(path) as stream:
        _, version, _, found, _, num_frames = _FRAMED_HEAD.unpack(stream.take(_FRAMED_HEAD.size))
        if version != 1:
            raise Damaged(f"its frames are of version {version}, read is 1; write it again with litdata 0.2.76")
        _check_count(found, count)
        starts = struct.unpack(f"<{count + 1}I", stream.take(4 * (count + 1)))
        if num_frames > count:
            raise Damaged(f"claims {num_frames} frames for {count} items; fetch it again, or accept the loss")
        frames = [_FRAME.unpack(stream.take(_FRAME.size)) for _ in range(num_frames)]
        at = stream.position
    for _, _, offset, packed, _ in frames:
        if offset != at:
            raise Damaged("its frames do not follow each other; fetch it again, or accept the loss")
        at += packed
    if frames:  # one after the other they are one stream of zstd
        with open_stream(path, "zstd", frames[0][2]) as stream:
            yield from _items(stream, starts)


def _items(stream: Stream, starts: Sequence[int]) -> Iterator[tuple[int, bytes | Damaged]]:
    for number, (start, stop) in enumerate(pairwise(starts)):
        if stop < start:
            raise Damaged("its offsets run backwards; fetch it again, or accept the loss")
        if stop - start > MAX_MEDIA_BYTES:
            stream.skip(stop - start)
            yield number, Damaged(f"has {stop - start:,} bytes, allowed are {MAX_MEDIA_BYTES:,}; accept the loss")
        else:
            yield number, stream.take(stop - start)


def _check_count(found: int, count: int) -> None:
    if found != count:
        raise Damaged(f"holds {found:,} items, the index says {count:,}; fetch both again")


def _values(item: bytes, leaves: Sequence[tuple[str, str]], skip: Collection[str]) -> dict[str, Any]:
    at = 4 * len(leaves)
    if at > len(item):
        raise Damaged(f"has {len(item)} bytes, fewer than the sizes of its leaves take; accept the loss")
    sizes = struct.unpack_from(f"<{len(leaves)}I", item)
    if at + sum(sizes) != len(item):
        raise Damaged(f"its leaves claim {sum(sizes)} bytes, there are {len(item) - at}; accept the loss")
    found = {}
    for (name, form), size in zip(leaves, sizes, strict=True):
        decode = values.opaque if name in skip else _DECODERS.get(form.partition(":")[0], values.opaque)
        value = decode(item[at : at + size])
        if value is not values.OPAQUE:
            found[name] = value
        at += size
    return found
