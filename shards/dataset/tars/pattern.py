"""The tars that a pattern names: a folder, a brace pattern or a glob, local or the URL of a store.

The tars of one dataset lie in one folder. A whole folder means its *.tar, also in capitals, and compressed tars whose
unpacked form does not lie beside them, so that the index can report them as left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from shards.base.errors import MissingFile, PatternError
from shards.base.redact import shown
from shards.dataset.tars.foreign import kind_of_folder
from shards.storage.addresses import checked, is_remote, local_path, plain_name, split_query
from shards.storage.local import LocalSource
from shards.storage.open import open_source
from shards.storage.source import Source

_ALL_TARS = "*.tar"
"""The pattern that stands for a whole folder."""
_PACKED = (
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".tar.zst",
    ".tar.lz4",
    ".tar.lz",
    ".tar.z",
    ".tgz",
    ".tbz2",
    ".txz",
    ".tzst",
)


def find_tars(pattern: str, roots: Sequence[str] = ()) -> tuple[str, list[str]]:
    """(folder or URL prefix, names inside it, sorted) of the tars that a pattern names. Raises PatternError."""
    from braceexpand import braceexpand

    base, query = split_query(checked(pattern))
    pattern = shown(base)
    try:
        paths = [path if is_remote(path) else local_path(path) for path in braceexpand(base)]
    except ValueError as error:
        raise PatternError(f"{pattern}: braces do not close ({error})") from error
    if len(paths) == 1 and not paths[0].endswith(".tar") and not _is_glob(_inside(paths[0])):
        paths = [paths[0].rstrip("/") + "/*.tar"]
    folders = {path.rpartition("/")[0] for path in paths}
    if len(folders) != 1 or _is_glob(*map(_inside, folders)):
        raise PatternError(
            f"{pattern}: names several folders, but the tars of one dataset lie in one; index each folder and blend "
            "the datasets"
        )
    folder = folders.pop() or ("" if paths[0].startswith("/") else ".")
    root = normal_place(folder + (f"?{query}" if query else ""))
    if not is_remote(root) and not os.path.isdir(root):
        raise PatternError(f"{pattern}: not found; there is no folder {root}, check the path")
    names = {plain_name(root, path.rpartition("/")[2]) for path in paths}
    globs = sorted(name for name in names if _is_glob(name))
    source = open_source(root, roots)
    if globs:
        try:
            there = _all_names(source)
        except MissingFile as error:
            raise PatternError(str(error)) from error
        names = names.difference(globs).union(*(_among(there, glob) for glob in globs))
    if not names:
        found = kind_of_folder(source)
        raise PatternError(f"{pattern}: no tar found; {found or 'check the path (names should end in .tar)'}")
    return root, sorted(names)


def tars_beside(source: Source, pattern: str | None) -> list[str]:
    """The names of all tars of a folder that a pattern means, of a whole folder for None. Raises SourceError."""
    there = _all_names(source)
    wanted = [_ALL_TARS] if pattern is None else _names_of(pattern)
    return sorted({name for one in wanted for name in _among(there, one)})


def check_whole(pattern: str, root: str) -> None:
    """Refuse to put the index of a single tar beside the tars of its folder. Raises PatternError."""
    base, _ = split_query(pattern)
    if not base.endswith(".tar") or _is_glob(base) or "{" in base:
        return
    others = len(open_source(root).list(".tar")) - 1
    if others > 0:
        raise PatternError(
            f"{pattern}: is one tar of a folder with {others} more, and the index beside them is of all; to index all: "
            f"python -m shards index {root}; this one alone: python -m shards index {pattern} --out FOLDER"
        )


def normal_place(place: str) -> str:
    """The one spelling of a place: an absolute path, or an address without a slash at its end. Raises AddressError."""
    place = checked(place)
    if not is_remote(place):
        return os.path.abspath(local_path(place))
    base, query = split_query(place)
    return base.rstrip("/") + (f"?{query}" if query else "")


def _all_names(source: Source) -> list[str]:
    """The names in a folder; of a local one also those that are no files, such as broken links."""
    names = source.list()
    return sorted({*names, *os.listdir(source.url)}) if isinstance(source, LocalSource) else names


def _names_of(pattern: str) -> list[str]:
    """The last parts of the paths that a pattern means; globs as they stand."""
    from braceexpand import braceexpand

    try:
        paths = list(braceexpand(pattern))
    except ValueError:
        paths = [pattern]
    names = [path.rpartition("/")[2] for path in paths]
    return names if len(names) > 1 or names[0].endswith(".tar") or _is_glob(names[0]) else [_ALL_TARS]


def _among(names: Iterable[str], pattern: str) -> set[str]:
    """The names that a pattern without braces means."""
    names = set(names)
    found = {name for name in names if fnmatchcase(name, pattern)}
    if pattern != _ALL_TARS:
        return found
    found |= {name for name in names if name.lower().endswith(".tar")}
    packed = {name for name in names if name.lower().endswith(_PACKED) and _unpacked(name) not in found}
    return found | packed if found else found


def _unpacked(name: str) -> str:
    stem = name.rpartition(".")[0]
    return stem if stem.lower().endswith(".tar") else stem + ".tar"


def _is_glob(*texts: str) -> bool:
    return any(c in text for text in texts for c in "*?[")


def _inside(address: str) -> str:
    """The path of an address without its host, which may have brackets."""
    return address.partition("://")[2].partition("/")[2] if is_remote(address) else address
