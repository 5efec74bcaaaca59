"""Rows from the samples of a tar, or of a folder of files, by the same rules as `shards index` has.

Promises: every sample, and every member that belongs to none, ends as a Row or a BadRow with a remedy; memory is the
list of members of one tar and one sample; nothing is extracted and no link is followed out of a tar.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from shards.dataset import (
    MAX_TEXT_BYTES,
    Looks,
    MemberError,
    MemberRules,
    TarError,
    TextError,
    choose,
    read_samples,
    scan_all,
    suffix,
)
from tools.containers.samples.texts import records_and_meta
from tools.rows import MALFORMED, NO_MEDIA, NO_TEXT, BadRow, Row, make_key


class _RowStart(NamedTuple):
    """The first fields of a Row."""

    record_id: str
    key: str
    records: tuple[dict[str, Any], ...]
    meta: dict[str, Any]


class SampleRows(NamedTuple):
    """Makes the rows of one container."""

    rules: MemberRules
    container: Path
    """For reasons."""
    tar_in_key: bool = False
    """Keys begin with the name of the tar or folder: where keys begin anew in each."""

    def of_tar(self, path: Path, name: str, keys: set[str], excluded: Collection[str] = ()) -> Iterator[Row | BadRow]:
        """The rows of a tar. name: for places. keys: those of its samples, usable or not, are added. excluded: keys of
        samples that are passed over."""
        try:
            found = read_samples(scan_all(path), str(path), Looks(checksums=False, rules=self.rules))
        except FileNotFoundError:
            yield self._bad(name, NO_MEDIA, "the tar is missing; fetch it again, or accept the loss")
            return
        except TarError as error:
            yield self._bad(
                name, MALFORMED, f"{str(error).removeprefix(f'{path}: ')}; fetch it again, or accept the loss"
            )
            return
        with open(path, "rb") as file:
            for sample in found.rows:
                keys.add(sample.key)
                if sample.key in excluded:
                    continue
                place = f"{name} sample {sample.key!r}"
                extensions = [member.ext for member in sample.members]
                chosen = choose(extensions, self.rules)
                texts = []
                for number in chosen[1:]:
                    member = None if number is None else sample.members[number]
                    texts.append(None if member is None else os.pread(file.fileno(), member.size, member.offset))
                medium = sample.members[chosen.media]
                row = self._row(place, name, sample.key, texts)
                if not isinstance(row, BadRow):
                    data = _read(file.fileno(), medium.size, medium.offset)
                    yield Row(*row, media=data, ext=suffix(medium.ext))
                else:
                    yield row
            for line in found.quarantined:
                key, member = line["key"], line["member"]
                if key is not None:
                    keys.add(key)
                if key is None or key not in excluded:
                    named = f"sample {key!r}" if key is not None else f"member {member!r}" if member else "bytes"
                    yield self._bad(f"{name} {named}", MALFORMED, line["reason"])

    def of_folder(self, folder: Path, name: str, keys: set[str]) -> Iterator[Row | BadRow]:
        """The rows of the files of a folder; folders in it are left alone. name, keys: see of_tar."""
        groups: dict[str, dict[str, Path]] = {}
        with os.scandir(folder) as entries:
            for file in sorted(entry.name for entry in entries if entry.is_file()):
                parts = self.rules.split(file)
                if parts is not None:
                    key, ext = parts
                    groups.setdefault(key, {}).setdefault(ext, folder / file)
        for key, files in groups.items():
            keys.add(key)
            yield self._of_files(f"{name} sample {key!r}".strip(), name, key, files)

    def _of_files(self, place: str, name: str, key: str, files: dict[str, Path]) -> Row | BadRow:
        extensions = list(files)
        try:
            chosen = choose(extensions, self.rules)
        except MemberError as error:
            return self._bad(place, MALFORMED, f"{error}, or accept the loss")
        paths = [None if number is None else files[extensions[number]] for number in chosen]
        texts = []
        for path in paths[1:]:
            if path is not None and path.stat().st_size > MAX_TEXT_BYTES:
                what = f"{path.name} has {path.stat().st_size:,} bytes, allowed are {MAX_TEXT_BYTES:,}; accept the loss"
                return self._bad(place, NO_TEXT, what)
            texts.append(None if path is None else path.read_bytes())
        medium = paths[0]
        assert medium is not None, "choose gives a medium"
        row = self._row(place, name, key, texts)
        return row if isinstance(row, BadRow) else Row(*row, media_path=medium, ext=suffix(extensions[chosen.media]))

    def _row(self, place: str, name: str, key: str, texts: list[bytes | None]) -> BadRow | _RowStart:
        json, txt = texts
        try:
            records, meta = records_and_meta(json, txt, self.rules)
        except TextError as error:
            return self._bad(place, NO_TEXT, f"{error}; or accept the loss")
        if not records:
            return self._bad(place, NO_TEXT, "json has an empty list of records; write one, or accept the loss")
        identifier = f"{name.removesuffix('.tar')}/{key}" if self.tar_in_key and name else key
        return _RowStart(place, make_key(identifier), records, {"id": identifier, **meta})

    def _bad(self, place: str, category: str, what: str) -> BadRow:
        return BadRow.at(place, self.container, category, what)


def _read(file: int, size: int, offset: int) -> bytes:
    """Bytes of an open file; one call of pread gives less than 2 GiB."""
    pieces = []
    while size and (piece := os.pread(file, min(size, 1 << 28), offset)):
        pieces.append(piece)
        size, offset = size - len(piece), offset + len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
