"""The media that an annotation file names by URL, each with the place where `tools build` looks for it.

- webvid: a .csv, .jsonl or .parquet with videoid, contentUrl and page_dir: PAGE_DIR/ID.EXT, without page_dir ID.EXT.
- cc3m: Google's .tsv, caption<TAB>url; cc12m: url<TAB>caption: FOLDER/ROW.EXT with the row number in 9 digits and
10,000
  files in a folder, as img2dataset names them.
- tgif: url<TAB>description: the last part of the URL, which is the name of the GIF in TGIF-QA.

EXT is that of the URL where it is one of such media, else mp4 or jpg. Promises: rows are read lazily; no path leads out
of the folder; a row that names no medium is a BadRow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from shards.media import IMAGE_EXTENSIONS, VIDEO_EXTENSIONS
from tools.annotations import about_records, check_file, table_records, tsv_lines
from tools.datasets.pretraining import webvid
from tools.datasets.pretraining.cc3m import IMAGES_PER_FOLDER
from tools.fetch.download import Wanted
from tools.rows import MALFORMED, BadRow

_LONGEST_NAME = 200


class _List(NamedTuple):
    """How the media of a dataset are listed."""

    rows: Callable[[Path, Path], Iterator[Wanted | BadRow]]
    """(annotation file, folder for the media) -> what to fetch."""
    max_bytes: int
    """Largest medium, where --max-bytes does not say it."""
    is_numbered: bool
    """True if files are named by row number: two annotation files must not share a folder."""


def about_media(annotations: Path) -> int:
    """About how many media a file names. Raises AnnotationError."""
    check_file(annotations)
    return about_records(annotations)


def _webvid(annotations: Path, out: Path) -> Iterator[Wanted | BadRow]:
    records = table_records(annotations, {"id": webvid.ID, "url": webvid.URL}, {"page_dir": webvid.PAGE_DIR})
    for row, record in enumerate(records):
        if isinstance(record, BadRow):
            yield record
            continue
        identifier, page, url = (_plain(record.value(names)) for names in (webvid.ID, webvid.PAGE_DIR, webvid.URL))
        parts = [page, identifier] if page not in ("", "None", "nan") else [identifier]
        if not url or not all(map(_is_name, parts)):
            what = f"no id and address of a video that can be used: {identifier[:60]!r}, {url[:100]!r}; correct the row"
            yield BadRow.at(record.place, annotations, MALFORMED, what)
            continue
        path = out.joinpath(*parts[:-1], f"{identifier}.{_extension(url, VIDEO_EXTENSIONS, 'mp4')}")
        yield Wanted(url, path, record.place, row)


def _pictures(annotations: Path, out: Path) -> Iterator[Wanted | BadRow]:
    first = 1
    for number, fields in tsv_lines(annotations):
        place, index = f"line {number}", number - first
        if number == 1 and sorted(name.strip().lower() for name in fields) == ["caption", "url"]:
            first = 2
            continue
        urls = [field.strip() for field in fields if _is_url(field.strip())]
        if len(fields) != 2 or not urls:
            what = f"expected caption and url with a tab between, found {len(fields)} field(s); correct the line"
            yield BadRow.at(place, annotations, MALFORMED, what)
            continue
        url = urls[-1] if _is_url(fields[1].strip()) else urls[0]
        name = f"{index:09d}.{_extension(url, IMAGE_EXTENSIONS, 'jpg')}"
        yield Wanted(url, out / f"{index // IMAGES_PER_FOLDER:05d}" / name, place, index)


def _gifs(annotations: Path, out: Path) -> Iterator[Wanted | BadRow]:
    for number, fields in tsv_lines(annotations):
        place, url = f"line {number}", fields[0].strip()
        name = _last_part(url)
        if not _is_url(url) or not _is_name(name):
            yield BadRow.at(place, annotations, MALFORMED, f"expected url, tab, description; found {url[:100]!r}")
            continue
        yield Wanted(url, out / name, place, number - 1)


LISTS = {
    "cc12m": _List(_pictures, 1 << 26, is_numbered=True),
    "cc3m": _List(_pictures, 1 << 26, is_numbered=True),
    "tgif": _List(_gifs, 1 << 27, is_numbered=False),
    "webvid": _List(_webvid, (1 << 31) - 1, is_numbered=False),
}
"""By dataset."""


def _is_url(text: str) -> bool:
    return text[:8].lower().startswith(("http://", "https://"))


def _plain(value: object) -> str:
    """A cell as text; pandas writes ids as floats in a column with gaps."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _is_name(part: str) -> bool:
    """True for text that is the name of one file or folder, and none that is hidden."""
    if not part or part.startswith(".") or any(c in "/\\" or c < " " or c == "\x7f" for c in part):
        return False
    try:
        return len(part.encode()) <= _LONGEST_NAME
    except UnicodeEncodeError:
        return False


def _extension(url: str, known: tuple[str, ...], default: str) -> str:
    ext = PurePosixPath(_last_part(url)).suffix[1:].lower()
    return ext if ext in known else default


def _last_part(url: str) -> str:
    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
