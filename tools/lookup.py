"""Find the medium of a row under the media folder, by the rules that the public sets use.

Promises: only files under the folder are ever taken (no absolute path and no ".." in an annotation leads out of it, by
name; symbolic links that the owner put there are followed); the order of the rules is fixed; a file that only the end
of an address matches is refused to a second address. Gives up: nothing is matched by likeness.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from shards.base import DiskTable, PrintableError
from shards.media import VIDEO_EXTENSIONS
from tools.annotations import load_json, tsv_lines
from tools.rows import AnnotationError, OptionError

NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
"""Errors that mean that there is no such file; any other is a fault of the machine and stops the build."""

_OTHER_ENDINGS = ("", ".part", ".mp4.part", ".txt", ".json", ".html", ".npy", ".jpg")
"""Ends of names by which a file that is not a medium, or not whole, is told to the user."""

AVI_FIRST = ("avi", *(extension for extension in VIDEO_EXTENSIONS if extension != "avi"))
"""Extensions of videos of MSVD and LSMDC, whose clips are .avi files."""


class MediaNotFound(PrintableError, ValueError):
    """No file for a row; the message says what was looked for and what to do."""


class MediaFolder:
    """A folder of media, with an optional id map: a JSON object {id: path under the folder} or a file with one."""

    def __init__(self, root: Path, extensions: Sequence[str], id_map: Path | Mapping[str, str] | None = None) -> None:
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "no such folder"
            what = "is a link that leads to no folder" if root.is_symlink() else what
            raise OptionError(f"{root}: {what}; check --media")
        self.root = root
        self._extensions = tuple(extensions)
        self._taken_for = DiskTable()  # end of a path -> the address for which it was taken
        self._id_map: dict[str, str] = {}
        if isinstance(id_map, Mapping):
            self._id_map = dict(id_map)
        elif id_map is not None:
            values = load_json(id_map)
            if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
                raise AnnotationError(f'{id_map}: expected a JSON object {{"id": "path under the media folder", ...}}')
            self._id_map = values

    def find(self, identifiers: Sequence[str] = (), stems: Iterable[str] = (), address: str = "") -> Path:
        """The file of a row; the first that exists of:

        1. the id map's path for one of `identifiers` (the user's own word goes first);
        2. STEM.EXT for each of `stems` (paths without extension), extensions in the order of the list; "" among them
           stands for a file without one;
        3. `address` (a URL or a path): its path, else the end of its path, else its file name, under the folder.

        Raises MediaNotFound.
        """
        for identifier in identifiers:
            if identifier in self._id_map:
                return self._mapped(identifier)
        looked_for = []
        stems = list(stems)
        for stem in stems:
            looked_for.append(f"{stem}.({self._extensions[0]}, ...)")
            found = self._with_extension(stem)
            if found is not None:
                return found
        if address:
            looked_for.append(address)
            found = self._addressed(address)
            if found is not None:
                return found
        if not self.root.is_dir():
            raise AnnotationError(f"{self.root}: the media folder has gone away; mount it again and rerun to resume")
        if self._id_map:
            looked_for.append("the id map")
        raise MediaNotFound(
            f"no file under {self.root} for {' or '.join(looked_for) or 'an empty id'}{self._seen(stems)}; "
            "check --media, or name the file in an --id-map, or accept the loss"
        )

    def _seen(self, stems: Sequence[str]) -> str:
        """What is there instead of a file: a link that leads nowhere, another extension; "" for nothing."""
        for stem in stems:
            if stem.startswith("/") or ".." in stem.split("/"):
                return f" ({stem!r} leads out of the folder)"
            for ending in (*(f".{extension}" for extension in self._extensions[:3]), *_OTHER_ENDINGS):
                relative = f"{stem}{ending}"
                if "\0" in relative:
                    continue
                try:
                    if os.path.islink(self.root / relative) and self._file(relative) is None:
                        return f" ({relative} is a link that leads to no file)"
                    if ending in _OTHER_ENDINGS and self._file(relative) is not None:
                        return f" (there is {relative}, which is not named as a medium: .{self._extensions[0]}, ...)"
                except (UnicodeEncodeError, OSError):
                    continue
        return ""

    def _mapped(self, identifier: str) -> Path:
        target = self._id_map[identifier]
        found = self._file(target) or self._with_extension(target)
        if found is None:
            raise MediaNotFound(
                f"the id map says {target!r} for {identifier!r}, and there is no such file under {self.root}; "
                "correct the map or fetch the file"
            )
        return found

    def _with_extension(self, stem: str) -> Path | None:
        for extension in self._extensions:
            endings = (f".{extension}", f".{extension.upper()}") if extension else ("", ".")
            for ending in endings:
                found = self._file(f"{stem}{ending}")
                if found is not None:
                    return found
        return None

    def _addressed(self, address: str) -> Path | None:
        is_url = "://" in address
        try:
            path = unquote(urlsplit(address).path) if is_url else address
        except ValueError as error:
            raise MediaNotFound(f"{address!r} is no URL ({error}); correct it") from None
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".")]
        if ".." in parts:
            raise MediaNotFound(f"the path {address!r} leads upwards; give paths under {self.root}")
        if not is_url and path.startswith(f"{self.root}/"):
            return self._file(path[len(str(self.root)) + 1 :])
        for start in range(len(parts)):
            relative = "/".join(parts[start:])
            found = self._file(relative)
            if found is not None:
                is_whole = start == 0 and not is_url
                if not is_whole and self._taken_for.setdefault(relative, address) != address:
                    raise MediaNotFound(
                        f"the file {relative!r} fits {address!r} and an earlier row's other address; keep the folders "
                        "of the addresses, or name files by row number as img2dataset does"
                    )
                return found
        return None

    def _file(self, relative: str) -> Path | None:
        """root/relative if it lies under the root by name and is a regular file (a pipe would hang the build)."""
        if not relative or relative.startswith("/") or "\0" in relative or ".." in relative.split("/"):
            return None
        path = self.root / relative
        try:
            return path if stat.S_ISREG(os.stat(path).st_mode) else None
        except UnicodeEncodeError:
            return None
        except OSError as error:
            if error.errno in NOT_THERE:
                return None
            if error.errno == errno.EACCES:
                raise MediaNotFound(f"no permission to look at {path}; correct its folders' permissions") from None
            raise


def youtube_mapping(path: Path) -> dict[str, str]:
    """{"vid1": file name without extension} of MSVD's youtube_mapping.txt. Raises AnnotationError with the line."""
    names: dict[str, str] = {}
    for number, fields in tsv_lines(path):
        words = " ".join(fields).split()
        if not words:
            continue
        if len(words) != 2 or words[1] in names:
            what = "a video that stands twice" if len(words) == 2 else f"{len(words)} words"
            raise AnnotationError(f'{path} line {number}: {what}; expected "NAME vid1" per line, each video once')
        names[words[1]] = words[0]
    return names
