"""Compressed files, archives and answers of servers found in place of a file, told by their first bytes.

What to do about it is said where a tar (foreign.py), a picture (signatures.py) or weights were expected.
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
    """The program that compressed a file, with its article ("a gzip"); "" for any other file."""
    return next((name for start, name in _COMPRESSED if head.startswith(start)), "")


def archive(head: bytes) -> str:
    """The kind of an archive of files, with its article ("a zip"); "" for any other file, tars too."""
    return next((name for start, name in _ARCHIVES if head.startswith(start)), "")


def answer(head: bytes) -> Literal["html", "xml", "json", ""]:
    """The language of a server's answer that stands in place of a file, a page or an error; "" for anything else."""
    text = head.removeprefix(_MARK).lstrip()[:64].lower()
    if text.startswith(_PAGES):
        return "html"
    if text.startswith((b"<?xml", b"<error")):
        return "xml"
    return "json" if text.startswith((b"{", b"[")) else ""
