"""Scores as a table for the screen, in percent, with 95 % intervals.

Questions have a row for each type and group, a retrieval one for each direction, captions one for each metric.
"""

from __future__ import annotations

from typing import Any

from rich.table import Table

from mcg.scoring.caption_rows import caption_rows
from shards.base import cell
from shards.cli import facts_table

_METRICS = {
    "accuracy": "accuracy %",
    "open_vocabulary": "any word %",
    "first_piece": "first piece %",
    "wups0": "WUPS@0",
    "wups9": "WUPS@0.9",
}


def score_table(metrics: dict[str, Any], title: str) -> Table | None:
    """The table of a task's metrics; None for metrics of another shape."""
    if "text_to_video" in metrics and "intervals" in metrics["text_to_video"]:
        return _retrieval_table(metrics, title)
    if "unfinished" in metrics:
        return _caption_table(metrics, title)
    shown = [name for name in _METRICS if isinstance(metrics.get(name), dict) and "by_type" in metrics[name]]
    if not shown:
        return None
    baseline = metrics.get("baseline", {})
    caption = _caption(metrics)
    table = Table(title=cell(title), title_justify="left", caption=caption, caption_justify="left")
    table.add_column("type")
    table.add_column("questions", justify="right")
    for name in shown:
        table.add_column(_METRICS[name], justify="right")
    if baseline:
        table.add_column("baseline %", justify="right")
    kinds = dict.fromkeys(kind for name in shown for kind in metrics[name]["by_type"])
    groups = dict.fromkeys(group for name in shown for group in metrics[name].get("by_group", {}))
    for number, names in enumerate((kinds, groups)):
        for kind in names:
            cells = [_cell(metrics[name], kind) for name in shown]
            counts = [metrics[name]["counts"][kind] for name in shown if kind in metrics[name]["counts"]]
            by_type = baseline.get("by_type", {})
            cells += ([_percent(by_type[kind])] if kind in by_type else [""]) if baseline else []
            table.add_row(cell(kind), str(counts[0]), *cells, style="italic" if number else None)
        table.add_section()
    whole = [_shown(metrics[name]["overall"], metrics[name].get("interval")) for name in shown]
    questions = metrics["num_scored"] + metrics["num_failed"]
    table.add_row("all", str(questions), *whole, *([_percent(baseline["overall"])] if baseline else []), style="bold")
    return table


def _retrieval_table(metrics: dict[str, Any], title: str) -> Table:
    table = Table(title=cell(title), title_justify="left", caption=_caption(metrics), caption_justify="left")
    table.add_column("direction, ranking")
    for name in ("queries", "candidates", "R@1 %", "R@5 %", "R@10 %", "median place", "mean place"):
        table.add_column(name, justify="right")
    for direction in ("text_to_video", "video_to_text"):
        of = metrics[direction]
        for ranking, scores in ((metrics["ranking"], of), ("contrast", of.get("by_contrast"))):
            if scores is None:
                continue
            recalls = [_shown(scores[f"R{k}"], scores["intervals"][f"R{k}"]) for k in (1, 5, 10)]
            counts = [str(scores["queries"]), str(scores["candidates"])]
            middle = [f"{scores['median_place']:g}", f"{scores['mean_place']:.1f}"]
            table.add_row(cell(f"{direction.replace('_', ' ')}, {ranking}"), *counts, *recalls, *middle)
    return table


def _caption_table(metrics: dict[str, Any], title: str) -> Table:
    rows = caption_rows(metrics, metrics.get("absent", {})) if "CIDEr" in metrics else []
    unscored = metrics["num_without_references"]
    rows += [("without references, not scored", str(unscored))] if unscored else []
    rows += [("unfinished", f"{100 * metrics['unfinished']:.1f} %"), ("failed", str(metrics["num_failed"]))]
    return facts_table(title, rows)


def _caption(metrics: dict[str, Any]) -> str:
    failed = metrics["num_failed"]
    told = [f"{failed} failed, counted as wrong: failures.jsonl" if failed else "none failed"]
    told += [
        f"{_percent(share)} % of the answers are in the {place}" for place, share in metrics.get("reach", {}).items()
    ]
    if "first_piece" in metrics:
        shared = metrics["first_piece"]["shared"]["questions"]
        told.append(f"{_percent(shared)} % of the answers begin with the piece of another answer")
    return "; ".join(told)


def _cell(scores: dict[str, Any], kind: str) -> str:
    value = scores["by_type"].get(kind, scores.get("by_group", {}).get(kind))
    return "" if value is None else _shown(value, scores.get("intervals", {}).get(kind))


def _shown(value: float, bounds: list[float] | None) -> str:
    return _percent(value) + (f"  [{_percent(bounds[0])}, {_percent(bounds[1])}]" if bounds else "")


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"
