"""The names of files in a cache folder.

.lock                the folder lock: held while room is made, and while files appear and vanish
IDENTITY             a whole shard: 32 hexadecimal digits, "-", and the name of the shard for people to read
IDENTITY.part        an unfinished one, in its full size
"""

from __future__ import annotations

import re

import xxhash

LOCK = ".lock"
UNFINISHED = ".part"
_IDENTITY = re.compile(r"[0-9a-f]{32}-")


def shard_identity(url: str, name: str, size: int, version: str) -> str:
    """The identity of a shard: digits over all of these, and its name.

    version: whatever tells two contents of one address apart.
    """
    text = "\0".join((f"{url}/{name}", str(size), version))
    digest = xxhash.xxh3_128_hexdigest(text.encode(errors="surrogatepass"))
    readable = name.replace(UNFINISHED, "-part").encode(errors="replace")[-120:].decode(errors="ignore")
    return f"{digest}-{readable}"


def is_ours(name: str) -> bool:
    """True for a shard, whole or not; False for other files, which are left alone."""
    return name[32:33] == "-" and bool(_IDENTITY.match(name))


def is_unfinished(name: str) -> bool:
    """True for a shard that is, or was, being downloaded."""
    return name.endswith(UNFINISHED)
