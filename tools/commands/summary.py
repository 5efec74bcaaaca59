"""The end of a conversion: its report as a table or as JSON, and exit code 1 where too much was quarantined."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from shards.base import complain, say
from shards.cli import PROBLEMS, emit, facts_table, print_examples
from shards.dataset import Report

STOPPED = "stopped; finished shards stay, the same command goes on after them"
"""Message after Ctrl-C."""


def print_report(
    report: Report, as_json: bool, source: str, quarantine: str, facts: Iterable[tuple[str, str]] = ()
) -> None:
    """Print what came in and what became of it. quarantine: the file with all refused rows; facts: further lines."""
    rows = [("rows in", f"{report.num_rows:,}")]
    if report.num_resumed and not report.finished_before:
        rows.append(("  of an earlier run", f"{report.num_resumed:,}"))
    rows += [("samples", f"{report.num_samples:,}"), ("quarantined", f"{report.num_quarantined:,}")]
    rows += [(f"  {kind}", f"{count:,}") for kind, count in report.quarantined.items()]
    rows.append(("records", f"{report.num_records:,}"))
    if report.num_shards:
        rows.append(("shards", f"{report.num_shards:,}"))
    rows += [("bytes", f"{report.bytes:,}"), *facts, ("seconds", f"{report.seconds:.1f}")]
    if report.finished_before and not as_json:
        say(f"nothing to do: {report.out} holds this already, finished and made in the same way")
    emit(report.to_dict(), as_json, facts_table(f"{source} -> {report.out}", rows))
    if not as_json:
        print_examples(f"quarantined (all in {quarantine})", report.examples, report.num_quarantined)


def check_quarantined(num_quarantined: int, allowed: int | None) -> None:
    """Exit with code 1 above what --max-quarantined allows."""
    if allowed is not None and num_quarantined > allowed:
        complain(f"{num_quarantined} rows are quarantined, --max-quarantined allows {allowed}; the reasons are above")
        raise typer.Exit(PROBLEMS)
