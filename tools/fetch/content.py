"""Is what came what its name promises? Told by the first bytes, so that no error page is kept as a medium.

Promises: pages, XML and JSON of servers, archives, and pictures under names of videos and the reverse are refused with
what they are. Gives up: whether a medium can be decoded; `tools build` probes it.
"""

from __future__ import annotations

from shards.media import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS, answer, foreign_kind, picture_extension
from tools.fetch.failures import EMPTY, PAGE, WRONG_TYPE, FetchFailed

HEAD_BYTES = 1024
_TEXTS = ("csv", "tsv", "json", "jsonl", "txt", "html", "xml")


def check_content(head: bytes, name: str) -> None:
    """Refuse a file of this name that begins with these bytes. Raises FetchFailed."""
    ext = name.rpartition(".")[2].lower()
    if not head:
        raise FetchFailed(EMPTY, "the server sends no byte")
    said = answer(head)
    if said == "html" and ext not in ("html", "htm"):
        raise FetchFailed(PAGE, f"the server sends an HTML page under the name of a .{ext} file")
    if ext in IMAGE_EXTENSIONS:
        if not picture_extension(head):
            raise FetchFailed(_kind(head), f"is {_named(head)}, not a picture")
    elif ext in VIDEO_EXTENSIONS:
        kind = foreign_kind(head)
        is_video = kind is None or kind.remedy.startswith("name it .")
        if picture_extension(head) or not is_video:
            raise FetchFailed(_kind(head), f"is {_named(head)}, not a video")
    elif ext not in _TEXTS and said:
        raise FetchFailed(WRONG_TYPE, f"is {_named(head)}, not a .{ext} file")


def _named(head: bytes) -> str:
    picture = picture_extension(head)
    if picture:
        return f"a .{picture} picture"
    kind = foreign_kind(head)
    return kind.name if kind else f"a file that begins with {head[:4].hex()}"


def _kind(head: bytes) -> str:
    kind = foreign_kind(head)
    return PAGE if kind is not None and kind.name == "an HTML page" else WRONG_TYPE
