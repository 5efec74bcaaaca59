"""The demo's report: one HTML page that needs nothing beside it.

Loss curves, the share of time spent waiting for data, accuracy by question type beside baseline and controls, and a
grid of test clips with question, answer and prediction. All text from data is escaped, and the page
loads and runs nothing (shards/cli/page.py).
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shards.cli import page_template
from shards.decode import open_decoder
from shards.media import ClipConfig, plan_clip
from shards.read import Reader

NUM_CLIPS = 18
"""Test clips in the grid."""

PAGE = """<title>Demo report</title><style>
p, td, th, b { unicode-bidi: isolate; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; color: #1c2530; }
h1 { margin-bottom: 0 } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ccd5de; }
table { border-collapse: collapse; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e9ee; }
th:first-child, td:first-child { text-align: left; } img.plot { max-width: 100%; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: .9rem; }
.card { border: 1px solid #d5dde5; border-left: 5px solid #2a9d5c; border-radius: 4px; padding: .5rem; }
.card.wrong { border-left-color: #d1495b; } .card img { width: 100%; image-rendering: pixelated; display: block; }
.card p { margin: .3rem 0 0; } .small { color: #5b6875; font-size: 13px; }
</style></head><body>
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
<h2>Training</h2>
<img class="plot" alt="loss curves and share of time waiting for data" src="data:image/png;base64,{{ plot }}">
<table><tr><th>run</th><th>steps</th><th>first loss</th><th>last loss</th><th>elements/s</th>
<th>waiting for data</th><th>failed samples</th></tr>
{% for name in runs %}<tr><td>{{ name }}</td><td>{{ s[name].steps }}</td>
<td>{{ "%.3f"|format(s[name].loss_first) }}</td>
<td>{{ "%.3f"|format(s[name].loss_last) }}</td>
<td>{{ s[name].elements_per_second }}</td>
<td>{{ "%.1f"|format(100 * s[name].data_wait_share) }} %</td><td>{{ s[name].failed }}</td></tr>{% endfor %}</table>
<h2>Data</h2>
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


def write_report(
    file: Path,
    summary: dict[str, Any],
    runs: dict[str, list[dict[str, Any]]],
    predictions: list[dict[str, Any]],
    dataset: str,
) -> None:
    """Write the page. runs: lines of each run's log.jsonl; predictions: of the test split; dataset: its URL."""
    controls = [name for name, value in summary["test"]["controls"].items() if isinstance(value, dict)]
    cards = _cards(predictions, dataset)
    page = page_template(PAGE).render(s=summary, controls=controls, runs=list(runs), plot=_plot(runs), cards=cards)
    file.write_text(page, encoding="utf-8")


def _cards(predictions: list[dict[str, Any]], dataset: str) -> list[dict[str, Any]]:
    """Evenly spaced predictions, each with its frames."""
    if not predictions:
        return []
    chosen = [predictions[i] for i in np.linspace(0, len(predictions) - 1, NUM_CLIPS).astype(int)]
    frames = _frames(dataset, {prediction["origin"] for prediction in chosen})
    return [{**p, "right": p["prediction"] == p["answer"], "image": _png(frames[p["origin"]])} for p in chosen]


def _frames(dataset: str, origins: set[str]) -> dict[str, Any]:
    """Origin as text -> strip of six frames, uint8 (H, 6 W, 3)."""
    config = ClipConfig(num_frames=6, size=96)
    decode = open_decoder("cpu")
    found: dict[str, Any] = {}
    name = next(iter(origins)).partition("/")[0]
    reader = Reader(name, dataset, "sample")
    unused = np.random.Generator(np.random.Philox(0))
    for shard, count in enumerate(reader.counts):
        for row in range(int(count)):
            origin = str(reader.origin(shard, row))
            if origin in origins:
                sample = reader.read(shard, row, unused)
                clip = decode(sample.media, sample.facts.kind, plan_clip(sample.facts, config, unused))
                found[origin] = np.concatenate(list(clip), axis=1)
    return found


def _png(pixels: Any) -> str:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def _plot(runs: dict[str, list[dict[str, Any]]]) -> str:
    """Loss curves by objective and data-wait share of each run, as a PNG in base64."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2 * len(runs)), layout="constrained")
    axes = figure.subplots(len(runs), 2, squeeze=False, width_ratios=[2, 1])
    for (losses, waiting), (name, lines) in zip(axes, runs.items(), strict=True):
        steps = [line for line in lines if "losses" in line]
        numbers = [line["step"] for line in steps]
        for objective in steps[0]["losses"]:
            if objective not in ("lr", "gradient_norm"):
                losses.plot(numbers, [line["losses"][objective] for line in steps], label=objective, linewidth=1)
        losses.set(title=f"{name}: loss by objective", xlabel="step", yscale="log")
        losses.legend(fontsize=8)
        waiting.plot(numbers, [100 * line["data_wait_share"] for line in steps], linewidth=1)
        waiting.set(title=f"{name}: waiting for data", xlabel="step", ylabel="% of the step", ylim=(0, 100))
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return base64.b64encode(out.getvalue()).decode()
