"""The end of a conversion: its report as a table or as JSON, and exit code 1 where too much was quarantined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from shards.base import complain, say
from shards.cli import PROBLEMS, emit, facts_table, print_examples
from shards.dataset import Report

if TYPE_CHECKING:
    from tools.building.plan import Plan

STOPPED = "stopped; finished shards stay, the same command goes on after them"
"""Message after Ctrl-C."""


def finish_plan(found: Plan, as_json: bool, max_quarantined: int | None) -> None:
    """Print what a build would make; exit with code 1 above what --max-quarantined allows."""
    rows = [("rows in", f"{found.num_rows:,}"), ("samples", f"{found.num_samples:,}")]
    rows.append(("quarantined", f"{found.num_quarantined:,}"))
    rows += [(f"  {kind}", f"{count:,}") for kind, count in found.quarantined.items()]
    rows += [("records", f"{found.num_records:,}"), ("records dropped", f"{found.num_dropped:,}")]
    rows += [("bytes to read", f"{found.bytes:,}"), ("shards, about", f"{found.num_shards:,}")]
    if found.num_requests:
        rows.append(("requests to the store, about", f"{found.num_requests:,}"))
    rows.append(("seconds for this plan", f"{found.seconds:.1f}"))
    emit(found.to_dict(), as_json, facts_table(f"{found.name} -> {found.out}: a plan, nothing is written", rows))
    if not as_json:
        print_examples("would be quarantined", found.examples, found.num_quarantined)
    _check_allowed(found.num_quarantined, max_quarantined, "the plan")


def finish(
    report: Report,
    as_json: bool,
    *,
    source: str,
    quarantine: str,
    max_quarantined: int | None,
    facts: Iterable[tuple[str, str]] = (),
    lists: Iterable[tuple[str, list[str], int]] = (),
    num_failed: int | None = None,
) -> None:
    """Print what came in and what became of it; exit with code 1 above what --max-quarantined allows.

    source: name of the input. quarantine: the file with all refused rows. facts: further lines of the table.
    lists: further (heading, examples, number in all) below it.
    num_failed: what max_quarantined is for, where that is not every quarantined row.
    """
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
        for heading, examples, count in lists:
            print_examples(heading, examples, count)
    failed = report.num_quarantined if num_failed is None else num_failed
    _check_allowed(failed, max_quarantined, quarantine)


def _check_allowed(failed: int, max_quarantined: int | None, where: str) -> None:
    if max_quarantined is not None and failed > max_quarantined:
        complain(f"{failed} rows are quarantined, --max-quarantined allows {max_quarantined}; see {where}")
        raise typer.Exit(PROBLEMS)
