"""The demo's page: one HTML file that needs nothing beside it.

Accuracy by question type beside baseline and controls, the curves of both runs (mcg/report/charts.py), the datasets,
and a grid of test clips with question, answer and prediction. All text from data is escaped, and the page loads and
runs nothing (shards/cli/page.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcg.demo.summary import RUNS
from mcg.report.charts import curves
from mcg.report.frames import strips
from mcg.report.page import STYLE, TRAINING
from mcg.report.run_folder import Lines, read_lines
from shards.cli import page_template

_NUM_CLIPS = 18
"""Test clips in the grid."""
_ACCURACY = """</head><body>
<h1>From raw clips to answered questions</h1>
<p class="small">{{ s.test.num_scored }} questions about unseen clips, {{ s.test.num_failed }} failed;
{{ "%.0f"|format(s.seconds.total) }} s in all, largest process {{ s.largest_process_gb }} GB.</p>
<h2>Accuracy</h2>
<table><tr><th>question type</th><th>questions</th><th>model</th><th>commonest answer</th>
{% for c in controls %}<th>{{ c }}</th>{% endfor %}</tr>
{% for kind, share in s.test.accuracy.by_type.items() %}<tr><td>{{ kind }}</td>
<td>{{ s.test.accuracy.counts[kind] }}</td><td><b>{{ "%.3f"|format(share) }}</b></td>
<td>{{ "%.3f"|format(s.test.baseline.by_type[kind]) }}</td>
{% for c in controls %}<td>{{ "%.3f"|format(s.test.controls[c].by_type[kind]) }}</td>{% endfor %}</tr>{% endfor %}
<tr><td>overall</td><td>{{ s.test.num_scored }}</td><td><b>{{ "%.3f"|format(s.test.accuracy.overall) }}</b></td>
<td>{{ "%.3f"|format(s.test.baseline.overall) }}</td>
{% for c in controls %}<td>{{ "%.3f"|format(s.test.controls[c].overall) }}</td>{% endfor %}</tr></table>
<p>With the frames reversed, {{ "%.0f"|format(100 * s.test.controls.reversed_says_opposite) }} % of the direction
questions are answered with the opposite direction.</p>
"""
_DATA_AND_CLIPS = """<h2>Data</h2>
<table><tr><th>dataset</th><th>rows in</th><th>samples written</th><th>quarantined</th></tr>
{% for name, d in s.datasets.items() %}<tr><td>{{ name }}</td><td>{{ d.rows }}</td><td>{{ d.samples }}</td>
<td>{{ d.quarantined }}</td></tr>{% endfor %}</table>
<h2>Test clips</h2>
<div class="grid">{% for card in cards %}<div class="card {{ '' if card.right else 'wrong' }}">
<img alt="frames of {{ card.id }}" src="data:image/png;base64,{{ card.image }}">
<p>{{ card.question }}</p><p>answer <b>{{ card.answer }}</b>, predicted <b>{{ card.prediction }}</b></p>
<p class="small">{{ card.type }} &middot; {{ card.id }}</p></div>{% endfor %}</div>
</body></html>
"""
_PAGE = "<title>Demo report</title>" + STYLE + _ACCURACY + TRAINING + _DATA_AND_CLIPS


def write_page(file: Path, summary: dict[str, Any], dataset: str) -> None:
    """Write the page beside the runs of a demo. summary: what `summarise` gives; dataset: URL of the test clips."""
    controls = [name for name, value in summary["test"]["controls"].items() if isinstance(value, dict)]
    predictions = read_lines(file.parent / RUNS["finetune"] / "evaluation" / "test" / "predictions.jsonl")
    page = page_template(_PAGE).render(
        s=summary,
        controls=controls,
        runs={name: summary[name] for name in RUNS},
        plots=curves({name: read_lines(file.parent / run / "log.jsonl") for name, run in RUNS.items()}),
        cards=_cards(predictions, dataset),
    )
    file.write_text(page, encoding="utf-8")


def _cards(predictions: Lines, dataset: str) -> list[dict[str, Any]]:
    """Evenly spaced predictions, each with its frames."""
    import numpy as np

    if not predictions:
        return []
    chosen = [predictions[i] for i in np.linspace(0, len(predictions) - 1, _NUM_CLIPS).astype(int)]
    name = str(chosen[0]["origin"]).partition("/")[0]
    images = strips({name: dataset}, [prediction["origin"] for prediction in chosen])
    return [{**p, "right": p["prediction"] == p["answer"], "image": images.get(p["origin"], "")} for p in chosen]
