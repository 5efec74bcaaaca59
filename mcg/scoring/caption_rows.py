"""Caption metrics as the rows of a table: scores x 100 as papers have them, with 95 % intervals; shares and lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHARES = ("distinct", "copied")


def caption_rows(metrics: Mapping[str, Any], absent: Mapping[str, str]) -> list[tuple[str, str]]:
    """Name and value of each. metrics, absent: as mcg.metrics.captions.caption_scores gives them."""
    bounds, counts, words = metrics["intervals"], metrics["counts"], metrics["words"]
    rows = []
    for name, (low, high) in bounds.items():
        rows.append((name, f"{100 * metrics[name]:.2f}  [{100 * low:.2f}, {100 * high:.2f}]"))
    rows += [(name, "absent") for name in absent]
    rows += [(name, f"{100 * metrics[name]:.1f} %") for name in _SHARES if name in metrics]
    rows.append(("words", f"{words['mean']:.1f} ({words['least']} to {words['most']})"))
    rows.append(("words of references", f"{words['references_mean']:.1f}"))
    empty = f", {counts['empty_predictions']:,} without a word" if counts["empty_predictions"] else ""
    return [*rows, ("videos", f"{counts['videos']:,}{empty}"), ("references", f"{counts['references']:,}")]
