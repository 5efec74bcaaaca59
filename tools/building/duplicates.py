"""Rows whose media have equal bytes become one: the first takes the text records of the others (`--deduplicate`).

A pass before the build finds them. Media are read there only where several have the same size; what is known of the
rows lies on disk, in a temporary database about as large as the annotations. The pass is made anew when a killed build
goes on. Which rows were merged is written into the json of their sample, as "merged_records".
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from shards.base import Engine
from tools.building.cost import media_size
from tools.rows import BadRow, Row

MERGED = "merged_records"
"""Field of a sample's json that lists the rows merged into it: record, key and what their own json would have held."""
_TABLES = """
PRAGMA cache_size=-16384;
PRAGMA journal_mode=OFF;
CREATE TABLE media (number INTEGER PRIMARY KEY, size INTEGER, path BLOB, digest BLOB, content TEXT);
CREATE TABLE merged (number INTEGER PRIMARY KEY, first INTEGER);
BEGIN;
"""
_GROUPS = """
INSERT INTO merged SELECT media.number, first FROM media
JOIN (SELECT size, digest, MIN(number) AS first FROM media WHERE digest IS NOT NULL GROUP BY size, digest) AS leader
ON media.size = leader.size AND media.digest = leader.digest WHERE media.number > first
"""


def merge_equal_media(
    make_rows: Callable[[], Iterable[Row | BadRow]], engine: Engine
) -> tuple[Iterator[Row | BadRow], int]:
    """(the rows, each medium once, their number). make_rows is called twice. engine: where media are read.

    Raises what make_rows raises, and OSError for a fault of the machine.
    """
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.executescript(_TABLES)
    num_rows = 0
    for number, row in enumerate(make_rows()):
        num_rows += 1
        size = media_size(row)
        if size:
            assert isinstance(row, Row)
            path, digest = os.fsencode(row.media_path or ""), None
            if row.media is not None:
                path, digest = b"", hashlib.blake2b(row.media, digest_size=16).digest()
            database.execute("INSERT INTO media VALUES (?, ?, ?, ?, ?)", (number, size, path, digest, _content(row)))
    database.execute("CREATE INDEX sizes ON media (size, digest)")
    alike = "size IN (SELECT size FROM media GROUP BY size HAVING COUNT(*) > 1)"
    paths = database.execute(f"SELECT DISTINCT path FROM media WHERE path <> x'' AND {alike}")
    database.execute("CREATE TABLE digests (path BLOB PRIMARY KEY, digest BLOB) WITHOUT ROWID")
    for path, digest in engine(_digest_of, (path for (path,) in paths)):
        database.execute("INSERT INTO digests VALUES (?, ?)", (path, digest))
    database.execute("UPDATE media SET digest = (SELECT digest FROM digests WHERE path = media.path) WHERE path <> x''")
    database.execute(_GROUPS)
    database.execute("CREATE INDEX firsts ON merged (first, number)")
    (num_merged,) = database.execute("SELECT COUNT(*) FROM merged").fetchone()
    return _merged(make_rows(), database), num_rows - num_merged


def _merged(rows: Iterable[Row | BadRow], database: sqlite3.Connection) -> Iterator[Row | BadRow]:
    others = "SELECT content FROM media JOIN merged USING (number) WHERE first = ? ORDER BY number"
    for number, row in enumerate(rows):
        if database.execute("SELECT 1 FROM merged WHERE number = ?", (number,)).fetchone():
            continue
        contents = [json.loads(text) for (text,) in database.execute(others, (number,))]
        yield _with(row, contents) if contents and isinstance(row, Row) else row


def _with(row: Row, others: list[dict[str, Any]]) -> Row:
    """A row with the text records of others; a record that is there already is not repeated."""
    records = list(row.records)
    for other in others:
        records += [record for record in other.pop("records") if record not in records]
    return replace(row, records=tuple(records), meta={**row.meta, MERGED: others})


def _content(row: Row) -> str:
    return json.dumps({"record": row.record_id, "key": row.key, "records": list(row.records), "meta": row.meta})


def _digest_of(path: bytes) -> tuple[bytes, bytes | None]:
    """(path, digest of its bytes); None for a file that cannot be read, which the build will say."""
    try:
        with open(path, "rb") as file:
            return path, hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return path, None
