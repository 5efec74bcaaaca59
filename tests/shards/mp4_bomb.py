"""MP4 files of a few hundred bytes whose tables claim any number of samples."""

from __future__ import annotations

import struct

FULL = bytes(4)
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def mp4(num_samples: int, fragmented: bool = False, side: int = 64) -> bytes:
    """One video track; its samples are claimed by the table of sizes, or by a fragment that leaves all to defaults."""
    head = box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
    count = 0 if fragmented else num_samples
    entry = struct.pack(">6xH16xHHII4xH32xHh", 1, side, side, 0x480000, 0x480000, 1, 24, -1)
    some = [1] if count else [0]
    tables = (
        box(b"stsd", FULL, struct.pack(">I", 1), box(b"jpeg", entry)),
        box(b"stts", FULL, struct.pack(">I", *some), struct.pack(">II", count, 1) if count else b""),
        box(b"stsc", FULL, struct.pack(">I", *some), struct.pack(">III", 1, count, 1) if count else b""),
        box(b"stsz", FULL, struct.pack(">II", 1 if count else 0, count)),
        box(b"stco", FULL, struct.pack(">I", *some), struct.pack(">I", len(head) + 8) if count else b""),
    )
    references = box(b"dinf", box(b"dref", FULL, struct.pack(">I", 1), box(b"url ", b"\0\0\0\1")))
    media_info = box(b"minf", box(b"vmhd", b"\0\0\0\1", bytes(8)), references, box(b"stbl", *tables))
    media = box(
        b"mdia",
        box(b"mdhd", FULL, struct.pack(">IIIIHH", 0, 0, 1000, 1000, 0x55C4, 0)),
        box(b"hdlr", FULL, b"\0\0\0\0vide", bytes(12), b"v\0"),
        media_info,
    )
    track_head = box(b"tkhd", b"\0\0\0\3", struct.pack(">IIIII16x", 0, 0, 1, 0, 1000), MATRIX, struct.pack(">II", 0, 0))
    movie_head = box(
        b"mvhd", FULL, struct.pack(">IIIIIH10x", 0, 0, 1000, 1000, 0x10000, 256), MATRIX, bytes(24), b"\0\0\0\2"
    )
    extends = box(b"mvex", box(b"trex", FULL, struct.pack(">IIIII", 1, 1, 1, 1, 0))) if fragmented else b""
    file = head + box(b"mdat", bytes(64)) + box(b"moov", movie_head, box(b"trak", track_head, media), extends)
    if fragmented:
        run = box(b"traf", box(b"tfhd", b"\0\2\0\0", b"\0\0\0\1"), box(b"trun", FULL, struct.pack(">I", num_samples)))
        file += box(b"moof", box(b"mfhd", FULL, b"\0\0\0\1"), run) + box(b"mdat", bytes(64))
    return file
