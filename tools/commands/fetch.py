"""`python -m tools fetch NAME`: the files of a release, or media by the URLs of a list; tools/fetch/ does the work."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from shards.base import complain
from shards.cli import (
    DEBUG_OPTION,
    JSON_OPTION,
    PROBLEMS,
    emit,
    facts_table,
    one_line_errors,
    print_examples,
    show_progress,
)
from tools.rows import OptionError

if TYPE_CHECKING:
    from tools.fetch.fetch import FetchReport

FETCH_HELP = """Fetch the files of a dataset's release, or the media that a list names by URL; docs/fetching.md.

\b
Examples:
  python -m tools fetch --list
  python -m tools fetch tgif_qa --out raw/tgif_qa
  python -m tools fetch msrvtt --out raw/msrvtt --from https://mirror.example.org/msrvtt
  python -m tools fetch cc3m --annotations raw/cc3m/Train_GCC-training.tsv --out raw/cc3m/train
  python -m tools fetch webvid --annotations raw/webvid/results_2M_train.csv --out raw/webvid/videos

Files are fetched in parallel, but a host gets few requests at once, and is left alone when it asks for it. A command
that was killed goes on when it is given again; a file that is there is not fetched again. Dead links are counted by
reason and listed in OUT/fetch-ANNOTATIONS.jsonl; those that a server has refused for good are not asked again without
--retry-failed. What has to be got by hand, or behind a form, is said with its place.

\b
Exit codes: 0 done, 1 an error, a file of a release that failed or is missing (also where all of it is to be got by
hand), or more dead links than --max-failed, 2 wrong usage, 3 a bug, 130 stopped.
"""


def fetch(
    name: str | None = typer.Argument(None, metavar="NAME", help="A dataset of --list."),
    out: Path | None = typer.Option(None, metavar="FOLDER", help="Where files go.  [default: raw/NAME]"),
    annotations: Path | None = typer.Option(None, help="Fetch the media that this file names; else the release."),
    from_: str | None = typer.Option(
        None, "--from", metavar="URL", help="A folder on the web with the release's files."
    ),
    limit: int | None = typer.Option(None, min=1, help="Take only the first so many rows of --annotations."),
    jobs: int = typer.Option(16, min=1, max=512, help="Requests at once."),
    per_host: int = typer.Option(4, min=1, max=64, help="Requests at once to one host."),
    delay: float = typer.Option(0.05, min=0, max=60, help="Seconds between two requests to one host."),
    attempts: int = typer.Option(4, min=1, max=100, help="Requests for a file, where a failure may pass."),
    max_bytes: int | None = typer.Option(
        None, min=1, help="Largest medium.  [default: 64 MiB a picture, 2 GiB a video]"
    ),
    user_agent: str | None = typer.Option(None, help="What servers are told: add how they can reach you."),
    private_host: list[str] | None = typer.Option(None, help="A host of this network that may be asked; repeatable."),
    retry_failed: bool = typer.Option(False, help="Ask addresses that were dead before once more."),
    max_failed: int | None = typer.Option(None, min=0, help="Exit with 1 above so many rows without a medium."),
    list_: bool = typer.Option(False, "--list", help="Show the datasets and what there is of each."),
    as_json: bool = JSON_OPTION,
    debug: bool = DEBUG_OPTION,
) -> None:
    with one_line_errors(debug, "stopped; what came stays, the same command goes on after it"):
        if list_:
            _show_list(as_json)
            return
        if name is None:
            raise OptionError("give the NAME of a dataset; --list shows them")
        from tools.fetch.fetch import AGENT
        from tools.fetch.politeness import Manners

        if user_agent is not None and not (user_agent.isascii() and user_agent.isprintable() and user_agent.strip()):
            raise OptionError("--user-agent: give printable ASCII text")
        manners = Manners(jobs=jobs, per_host=per_host, delay=delay, attempts=attempts)
        named = {host.strip("[]").lower() for host in private_host or ()}
        options = {"manners": manners, "agent": user_agent or AGENT, "named": named}
        if annotations is None:
            only_media = {"--limit": limit, "--max-bytes": max_bytes, "--max-failed": max_failed}
            _refuse(only_media, "is for media by URL: give --annotations, too")
            _fetch_release(name, out, from_ or "", options, as_json)
        else:
            _refuse({"--from": from_}, "is for files of a release; media come from the addresses of --annotations")
            media = {"limit": limit, "max_bytes": max_bytes, "retry_all": retry_failed}
            _fetch_media(name, annotations, out, {**options, **media}, max_failed, as_json)


def _refuse(options: dict[str, Any], why: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise OptionError(f"{option} {why}")


def _checked(name: str, known: tuple[str, ...], what: str) -> str:
    plain = name.lower().replace("-", "_")
    if plain in known:
        return plain
    near = difflib.get_close_matches(plain, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise OptionError(f"{what} of {name!r} are not known; {hint}known: {', '.join(known)}")


def _fetch_release(name: str, out: Path | None, mirror: str, options: dict[str, Any], as_json: bool) -> None:
    from tools.fetch.addresses import check_address
    from tools.fetch.download import check_digest
    from tools.fetch.failures import FetchFailed
    from tools.fetch.fetch import fetch_files
    from tools.fetch.releases import RELEASES, by_hand, files_of

    name = _checked(name, RELEASES, "files of a release")
    out = out or Path("raw") / name
    if mirror:
        host = urlsplit(mirror).hostname or ""
        options = {**options, "named": {*options["named"], host}}  # the user's own word
        try:
            check_address(mirror, options["named"])
        except FetchFailed as error:
            raise OptionError(f"--from {mirror}: {error}") from error
    able, unable = files_of(name, out, mirror)
    there = [wanted for wanted in (*able, *unable) if wanted.path.is_file()]
    for wanted in there:
        try:
            check_digest(wanted.path, wanted.digest)
        except FetchFailed as error:
            complain(f"{wanted.path}: {error}; remove it, and get it again")
            raise typer.Exit(PROBLEMS) from None
    with show_progress("fetch") as progress:
        report = fetch_files(name, out, able, progress=progress, **options)
    missing = [wanted.path.name for wanted in unable if not wanted.path.is_file()]
    hand = list(by_hand(name, out))
    _finish(report, as_json, str(out), {"missing": missing, "by_hand": hand})
    if not as_json:
        print_examples("to be got by hand", hand, len(hand))
    if report.num_failed or missing or (hand and not able and not unable):
        raise typer.Exit(PROBLEMS)


def _fetch_media(
    name: str, annotations: Path, out: Path | None, options: dict[str, Any], max_failed: int | None, as_json: bool
) -> None:
    from tools.fetch.fetch import fetch_media
    from tools.fetch.lists import LISTS, about_media

    name = _checked(name, tuple(LISTS), "media by URL")
    out = out or Path("raw") / name / "media"
    total = about_media(annotations)
    if options["limit"] is not None:
        total = min(total or options["limit"], options["limit"])
    with show_progress("fetch", total or None, "rows") as progress:
        report = fetch_media(name, annotations, out, progress=progress, **options)
    ledger = out / f"fetch-{annotations.stem}.jsonl"
    _finish(report, as_json, str(ledger), {"ledger": str(ledger)})
    if max_failed is not None and report.num_failed > max_failed:
        complain(f"{report.num_failed} rows have no medium, --max-failed allows {max_failed}; see {ledger}")
        raise typer.Exit(PROBLEMS)


def _finish(report: FetchReport, as_json: bool, where: str, more: dict[str, Any]) -> None:
    rows = [("rows" if "ledger" in more else "files", f"{report.num_rows:,}")]
    rows += [("fetched", f"{report.num_fetched:,}"), ("there before", f"{report.num_there:,}")]
    rows.append(("failed", f"{report.num_failed:,}"))
    rows += [(f"  {kind}", f"{count:,}") for kind, count in report.failed.items()]
    rows += [("bytes", f"{report.bytes:,}"), ("seconds", f"{report.seconds:.1f}")]
    emit({**report.to_dict(), **more}, as_json, facts_table(f"{report.name} -> {report.out}", rows))
    if not as_json:
        print_examples(f"failed (all in {where})" if "ledger" in more else "failed", report.examples, report.num_failed)


def _show_list(as_json: bool) -> None:
    from tools.fetch.lists import LISTS
    from tools.fetch.releases import RELEASES, by_hand, files_of

    table: list[tuple[str, str]] = []
    data: dict[str, Any] = {}
    for name in sorted({*RELEASES, *LISTS}):
        able, unable = files_of(name, Path("raw") / name)
        hand = by_hand(name, Path("raw") / name)
        data[name] = {
            "files": [wanted.path.name for wanted in able],
            "without_address": [wanted.path.name for wanted in unable],
            "by_hand": list(hand),
            "media_by_url": name in LISTS,
        }
        said = [f"{len(able)} files" if able else "", "media by URL (--annotations)" if name in LISTS else ""]
        said.append("something by hand" if hand or unable else "")
        table.append((name, "; ".join(filter(None, said))))
    emit(data, as_json, facts_table("datasets", table))
