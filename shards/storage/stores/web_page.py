"""The files that the page of a folder links to: how a web server lists a folder."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from shards.storage.source import Names, check_name


def names_on_page(page: bytes, url: SplitResult) -> Names:
    """Sorted names of the files directly inside the folder whose page this is; links elsewhere are left out."""
    links = _Links()
    links.feed(page.decode(errors="replace"))
    base = url._replace(path=url.path.rstrip("/") + "/", query="", fragment="")
    above = unquote(base.path)
    found = set()
    for link in links.found:
        try:
            target = urlsplit(urljoin(base.geturl(), link.strip()))
        except ValueError:
            continue  # not an address
        inside, _, name = target.path.rpartition("/")
        if target.hostname == base.hostname and unquote(inside) + "/" == above and _is_name(unquote(name)):
            found.add(unquote(name))
    return sorted(found)


class _Links(HTMLParser):
    """Collects the targets of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if tag == "a" and name == "href" and value]


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except ValueError:
        return False
    return True
