"""Roots: where an index may say that its shards are. The `root` of a dataset.json may come from anybody.

Promises: shards are read beside the index or below it; elsewhere only if the user said so, by naming a folder (`roots:`
of a dataset's config, --root) or by making the index himself (`python -m shards index --out` seals the root: seal.py).
An index in a folder of this machine may also lead to a store, but not to other files of this machine.
The credentials (user, query) of the folder that the user names are used for the root, since no index holds any.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from shards.storage.addresses import check_address, is_remote, local_path, scheme_of, split_query
from shards.storage.seal import is_sealed
from shards.storage.stores.web_address import WEB, origin_of

_SAME_AS = {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs"}
"""Schemes that are names of one store."""


def permitted_root(index: str, root: str, seal: str | None, allowed: Sequence[str]) -> str:
    """The address to read shards at. index: the address of the index; allowed: the folders that the user names.

    Raises ValueError with the reason where that is not permitted.
    """
    check_address(root)
    for folder in allowed:
        check_address(folder)
    named = next((folder for folder in allowed if covers(folder, root)), None)
    if named is not None:
        return _with_credentials(root, named)
    if covers(index, root):
        return _with_credentials(root, index)
    if not is_remote(index) and is_remote(root):
        return root
    if seal is not None and is_sealed(root, seal):
        return root
    raise ValueError(
        f"it leads away from the index; if you know that place, allow it: roots: [{root!r}] in the dataset's config, "
        f"or --root {root!r}; if you made this index, make it again by the same command"
    )


def covers(folder: str, address: str) -> bool:
    """True if an address is that of a folder or lies below it, whatever credentials and query the two have."""
    if is_remote(folder) != is_remote(address):
        return False
    if not is_remote(folder):
        above, inside = (os.path.realpath(local_path(path)) for path in (folder, address))
        return inside == above or inside.startswith(above.rstrip("/") + "/")
    above_steps, steps = _steps(folder), _steps(address)
    climbs = any(step in (".", "..") or "\\" in step for step in steps)
    return not climbs and steps[: len(above_steps)] == above_steps


def _with_credentials(root: str, folder: str) -> str:
    """A root with user and query of the address that covers it."""
    if not is_remote(root):
        return root
    base, query = split_query(folder)
    scheme, separator, rest = base.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    own = split_query(root)[0].partition("://")[2]
    authority, slash, path = own.partition("/")
    return scheme + separator + user + at + authority.rpartition("@")[2] + slash + path + (f"?{query}" if query else "")


def _steps(address: str) -> list[str]:
    """The steps that a remote address leads through, from the store on down."""
    scheme = scheme_of(address)
    path = split_query(address)[0].partition("://")[2].rstrip("/")
    if scheme not in WEB:
        return [_SAME_AS.get(scheme, scheme), *path.split("/")]
    origin = origin_of(address)
    steps = [unquote_to_bytes(step).decode(errors="surrogateescape") for step in path.split("/")[1:]]
    inner = [inner for step in steps for inner in step.split("/")]  # %2F: some servers take it for a slash
    return [origin.scheme, f"{origin.host}:{origin.port}", *inner]
