"""Where an index may lead: the `root` of a dataset.json names the place of the shards, and may come from anybody.

Promises: shards are read beside the index or below it. Elsewhere only where the user said so: in a place that he names
(`roots:` of a dataset's config, --root), or where he made the index himself by `python -m shards index --out`, which
seals the root with a key that only this user has (~/.local/state/mcg-streams/index.key, mode 0600). An index in a
folder of this machine may also lead to a store, but not to other files of this machine.
A place that the user names brings its credentials along (user, query), which no index holds.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from shards.base.printing import logger
from shards.storage.addresses import WEB, check_address, is_remote, local_path, scheme_of, split_query
from shards.storage.seal import _sealed
from shards.storage.web_address import origin_of

_log = logger(__name__)


def permitted_root(index: str, root: str, seal: str | None, allowed: Sequence[str]) -> str:
    """The address to read shards at. index: the address of the index; allowed: places that the user names.

    Raises ValueError with the reason where that is not permitted.
    """
    check_address(root)
    for place in allowed:
        check_address(place)
    named = next((place for place in allowed if covers(place, root)), None)
    if named is not None:
        return _with_credentials(root, named)
    if covers(index, root):
        return _with_credentials(root, index)
    if not is_remote(index) and is_remote(root):
        return root
    if seal is not None and hmac.compare_digest(seal, _sealed(root) or ""):
        return root
    raise ValueError(
        f"it leads away from the index; if you know that place, allow it: roots: [{root!r}] in the dataset's config, "
        f"or --root {root!r}; if you made this index, make it again by the same command"
    )


def _with_credentials(root: str, place: str) -> str:
    """A root with user and query of the address that covers it."""
    if not is_remote(root):
        return root
    base, query = split_query(place)
    scheme, separator, rest = base.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    own = split_query(root)[0].partition("://")[2]
    authority, slash, path = own.partition("/")
    return scheme + separator + user + at + authority.rpartition("@")[2] + slash + path + (f"?{query}" if query else "")


_SAME_AS = {"s3a": "s3", "gcs": "gs", "abfss": "abfs", "az": "abfs"}


def covers(folder: str, address: str) -> bool:
    """Whether an address is that of a folder or lies below it, whatever credentials and query the two have."""
    if is_remote(folder) != is_remote(address):
        return False
    if not is_remote(folder):
        above, inside = (os.path.realpath(local_path(place)) for place in (folder, address))
        return inside == above or inside.startswith(above.rstrip("/") + "/")
    above_parts, parts = _parts(folder), _parts(address)
    climbs = any(part in (".", "..") or "\\" in part for part in parts)
    return not climbs and parts[: len(above_parts)] == above_parts


def _parts(address: str) -> list[str]:
    """Where a remote address leads, step by step."""
    scheme = scheme_of(address)
    path = split_query(address)[0].partition("://")[2].rstrip("/")
    if scheme not in WEB:
        return [_SAME_AS.get(scheme, scheme), *path.split("/")]
    origin = origin_of(address)
    steps = [unquote_to_bytes(step).decode(errors="surrogateescape") for step in path.split("/")[1:]]
    inner = [part for step in steps for part in step.split("/")]  # %2F: some servers take it for a slash
    return [origin.scheme, f"{origin.host}:{origin.port}", *inner]
