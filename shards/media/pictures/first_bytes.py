"""What often stands in place of a file, told by its first bytes: one table for all who expected something else.

What to do about it is said by whoever expected a tar (foreign.py), a picture (signatures.py) or weights.
"""

from __future__ import annotations

from typing import Literal

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_COMPRESSED = (
    (b"\x1f\x8b", "a gzip"),
    (b"BZh", "a bzip2"),
    (b"\xfd7zXZ", "an xz"),
    (b"\x28\xb5\x2f\xfd", "a zstd"),
    (b"\x04\x22\x4d\x18", "an lz4"),
    (b"LZIP", "an lzip"),
    (b"\x1f\x9d", "an LZW (.Z)"),
)
_ARCHIVES = (
    (b"PK\3\4", "a zip"),
    (b"PK\5\6", "a zip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z"),
    (b"Rar!", "a RAR"),
)
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_MARK = b"\xef\xbb\xbf"


def compression(head: bytes) -> str:
    """What a file is compressed by, with its article ("a gzip"); "" for any other."""
    return next((name for start, name in _COMPRESSED if head.startswith(start)), "")


def archive(head: bytes) -> str:
    """Of which kind an archive of files is, with its article ("a zip"); "" for any other file, tars too."""
    return next((name for start, name in _ARCHIVES if head.startswith(start)), "")


def answer(head: bytes) -> Literal["html", "xml", "json", ""]:
    """As what a server's answer begins, a page or an error in place of a file; "" for anything else."""
    text = head.removeprefix(_MARK).lstrip()[:64].lower()
    if text.startswith(_PAGES):
        return "html"
    if text.startswith((b"<?xml", b"<error")):
        return "xml"
    return "json" if text.startswith((b"{", b"[")) else ""
