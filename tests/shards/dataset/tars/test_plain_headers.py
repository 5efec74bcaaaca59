"""Headers that are checked many at a time: the same members, strays and errors as one by one."""

import io
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.dataset.tars.entries import BLOCK, Entry
from shards.dataset.tars.tar import scan_all, walk
from shards.dataset.tars.tar_header import TarError
from tests.shards.dataset.tars.packed import expected, names, pack

PLAIN = pack([(f"before/{i:06d}.json", b"y") for i in range(40)])[: 40 * 2 * BLOCK]
"""More headers than the number from which they are checked together, and no end marker."""


def both_ways(raw: bytes) -> list[Entry] | str:
    """What a scan finds, or its error; it must be what a walk finds, which takes every header by itself."""
    fast = outcome(lambda: scan_all(io.BytesIO(raw)))
    assert fast == outcome(lambda: walk(lambda length, offset: raw[offset : offset + length], len(raw), "tar"))
    return fast


def outcome(entries: Callable[[], Iterable[Entry]]) -> list[Entry] | str:
    try:
        return list(entries())
    except TarError as error:
        return str(error)


def webdataset_tar(files: list[tuple[str, bytes]], mtime: float | None) -> bytes:
    from webdataset import TarWriter

    buffer = io.BytesIO()
    writer = TarWriter(buffer, encoder=False, mtime=mtime)
    for name, data in files:
        key, _, ext = name.partition(".")
        writer.write({"__key__": key, ext: data})
    writer.close()
    return buffer.getvalue()


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.lists(names, min_size=1, max_size=4), st.binary(max_size=1100)), max_size=25),
    st.sampled_from(["gnu", "pax"]),
    st.sampled_from([0, 1.5]),
    st.data(),
)
def test_batches_and_steps_agree_on_tars_and_on_damaged_ones(
    files: list[tuple[list[str], bytes]], form: str, mtime: float, data: st.DataObject
) -> None:
    whole = pack([("/".join(pieces), content) for pieces, content in files], form, mtime=mtime)
    whole = PLAIN + whole
    assert both_ways(whole) == expected(whole)
    raw = bytearray(whole)
    # Half of the damage hits headers, and some of it is hidden by a new checksum.
    headers = [member.offset - 512 for member in expected(whole)]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.sampled_from(headers)) + data.draw(st.integers(0, 511))
        raw[at] = data.draw(st.sampled_from([0, 32, 45, 47, 48, 55, 57, 95, 128, 255]))
    if data.draw(st.booleans()):
        for start in headers:
            block = raw[start : start + 512]
            block[148:156] = b" " * 8
            raw[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    both_ways(bytes(raw))
    both_ways(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@pytest.mark.parametrize("mtime", [0, None])  # None is its default: the time, as a pax header of each member
def test_batches_and_steps_agree_on_what_webdataset_writes(mtime: float | None) -> None:
    files = [(f"{i:06d}.{ext}", bytes(i)) for i in range(40) for ext in ("jpg", "json", "left.txt")]
    raw = webdataset_tar(files, mtime)
    found = both_ways(raw)
    assert found == expected(raw) and len(found) == 120


MANY = pack([(f"{i:06d}.json", b"y") for i in range(1100)])


@pytest.mark.parametrize("at", [0, 31, 32, 1023, 1024, 1099])  # 32 headers and more are checked together, at most 1,024
@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, b"dir/\0"),  # an old directory
        (0, b"a\0b"),  # bytes behind the end of the name
        (124, b"-0000000001\0"),
        (124, b"0_000000001\0"),
        (124, b"0o000000001\0"),
        (124, b" 1         \0"),
        (124, b"77777777777\0"),
        (124, b"\x80" + b"\0" * 10 + b"\1"),
        (156, b"5"),
        (156, b"\0"),
        (156, b"7"),
        (156, b"S"),
        (156, b"x"),
        (156, b"g"),
        (156, b"L"),
        (345, b"deep/er"),  # a path prefix
    ],
)
def test_batches_and_steps_agree_on_odd_headers_among_plain_ones(at: int, field: int, value: bytes) -> None:
    raw = bytearray(MANY)
    start = at * 1024
    raw[start + field : start + field + len(value)] = value
    raw[start + 148 : start + 156] = b" " * 8
    raw[start + 148 : start + 156] = b"%06o\0 " % sum(raw[start : start + 512])
    both_ways(bytes(raw))
