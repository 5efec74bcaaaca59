"""The page itself: one HTML file that loads and runs nothing (shards/cli/page.py), for a desk and for a phone.

Every chart stands beside a table of what it shows, and nothing is told by colour alone. All text from data is escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcg.engine.record.changes import NOT_TOLD, describe, leaves
from mcg.report.charts import curves, dataset_curves
from mcg.report.frames import strips
from mcg.report.run_folder import Lines, Number, Run, numbers, read_run, run_facts
from shards.cli import page_template

STYLE = """<style>
p, td, th, b { unicode-bidi: isolate; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; color: #1c2530; }
h1 { margin-bottom: 0; overflow-wrap: anywhere } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ccd5de; }
table { border-collapse: collapse; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e9ee; vertical-align: top; }
th:first-child, td:first-child, .text td { text-align: left; } 
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); margin: 1rem 0; }
.plots img { width: 100%; }
.text td { overflow-wrap: anywhere; min-width: 6rem; }
.wide { overflow-x: auto; } .small { color: #4d5965; font-size: 13px; } pre { overflow-x: auto; font-size: 12px; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: .9rem; }
.card { border: 1px solid #d5dde5; border-left: 5px solid #2a9d5c; border-radius: 4px; padding: .5rem; min-width: 0;
  overflow-wrap: anywhere; }
.card.wrong { border-left: 5px dashed #d1495b; }
.card img { width: 100%; image-rendering: pixelated; display: block; } .card p { margin: .3rem 0 0; }
</style>"""
TRAINING = """<h2>Training</h2>
<div class="plots">{% for chart in plots %}<img alt="chart: {{ chart.title }}"
src="data:image/png;base64,{{ chart.png }}">{% endfor %}</div>
<div class="wide"><table><tr><th>run</th><th>steps</th><th>first loss</th><th>last loss</th><th>elements/s</th>
<th>waiting for data</th><th>taken by the loader</th><th>loader CPU, ms a step</th><th>failed samples</th></tr>
{% for name, run in runs.items() %}<tr><td>{{ name }}</td><td>{{ run.steps }}</td>
<td>{{ "%.3f"|format(run.loss_first) }}</td>
<td>{{ "%.3f"|format(run.loss_last) }}</td>
<td>{{ run.elements_per_second }}</td>
<td>{{ "%.1f"|format(100 * run.data_wait_share) }} %</td>
<td>{% if run.loader_lost_share is not none %}{{ "%.1f"|format(100 * run.loader_lost_share) }} &plusmn;
{{ "%.1f"|format(100 * run.loader_lost_error) }} %{% endif %}</td>
<td>{{ "%.0f"|format(1000 * (run.loader_cpu_seconds or 0)) }}</td><td>{{ run.failed }}</td></tr>{% endfor %}
</table></div>
"""
"""Section of a page. plots: what `curves` gives; runs: name -> what `run_facts` gives."""
_BY_DATASET = """{% for run in all %}<h2>Data{% if all|length > 1 %}: {{ run.name }}{% endif %}</h2>
<div class="wide"><table><tr><th>dataset</th><th>steps</th><th>share</th><th>loss, first tenth</th>
<th>loss, last tenth</th></tr>
{% for name, (count, first, last) in run.mix().items() %}<tr><td>{{ name }}</td><td>{{ count }}</td>
<td>{{ "%.1f"|format(100 * count / run.steps|length) }} %</td><td>{{ "%.3f"|format(first) }}</td>
<td>{{ "%.3f"|format(last) }}</td></tr>{% endfor %}</table></div>
<p>Waiting for data by the slowest stage of the step:
{% for stage, seconds in run.waits().items() %}{{ stage }} {{ "%.1f"|format(seconds) }} s{{ ", " if not loop.last }}
{%- endfor %}.</p>
{% if quarantine[run.name] %}<h3>Quarantine</h3><div class="wide"><table class="text"><tr><th>dataset</th><th>stage</th>
<th>elements</th><th>examples</th></tr>
{% for (dataset, stage), (count, examples) in quarantine[run.name].items() %}<tr><td>{{ dataset }}</td>
<td>{{ stage }}</td><td>{{ count }}</td><td>{% for example in examples %}{{ example }}<br>{% endfor %}</td></tr>
{% endfor %}</table></div>
{% endif %}{% if run.spikes %}<h3>Spikes of the loss</h3><div class="wide"><table class="text"><tr><th>step</th>
<th>dataset</th><th>loss</th><th>usual</th><th>samples</th></tr>
{% for line in run.spikes[:10] %}<tr><td>{{ line.rewound_from or line.step }}{% if line.rewound_from %}, and back to
step {{ line.step }}{% endif %}</td><td>{{ line.spike.dataset or "mixed batches" }}</td>
<td>{{ "%.3f"|format(line.spike.loss) }}</td><td>{{ "%.3f"|format(line.spike.usual) }}</td>
<td>{{ line.spike.origins[:3]|join(", ") }}{% if line.spike.origins|length > 3 %} and
{{ line.spike.origins|length - 3 }} more{% endif %}</td></tr>
{% endfor %}</table></div>{% if run.spikes|length > 10 %}<p>And {{ run.spikes|length - 10 }} smaller ones.</p>
{% endif %}{% endif %}{% endfor %}
"""
_SCORES = """{% if scores %}<h2>Scores</h2>
<p class="small">Below each number its interval of 95 %, where one is known.</p>
<div class="wide"><table><tr><th>number</th>{% for name in scores %}<th>{{ name }}</th>{% endfor %}</tr>
{% for number in rows %}<tr><td>{{ number }}</td>{% for of in scores.values() %}
<td>{% if number in of %}{{ "%.4g"|format(of[number].value) }}{% if of[number].interval %}<br>
<span class="small">{{ "%.3g"|format(of[number].interval[0]) }} to {{ "%.3g"|format(of[number].interval[1]) }}</span>
{% endif %}{% endif %}</td>{% endfor %}</tr>{% endfor %}
</table></div>{% endif %}
{% for name, cards in answers.items() %}<h2>Predictions: {{ name }}</h2>
<div class="grid">{% for card in cards %}<div class="card {{ 'wrong' if card.verdict == 'wrong' }}">
{% if card.image %}<img alt="six frames of {{ card.origin }}" src="data:image/png;base64,{{ card.image }}">{% endif %}
{% if card.verdict %}<p><b>{{ card.verdict }}</b></p>{% endif %}
{% for field, value in card.fields.items() %}<p>{{ field }}: {{ value }}</p>{% endfor %}
<p class="small">{{ card.origin }}</p></div>{% endfor %}</div>
{% endfor %}"""
_SETTINGS = """{% if differences %}<h2>What differs between the runs</h2>
<div class="wide"><table class="text"><tr><th>setting</th>{% for run in all %}<th>{{ run.name }}</th>{% endfor %}</tr>
{% for path, values in differences.items() %}<tr><td>{{ path }}</td>{% for value in values %}<td>{{ value }}</td>
{% endfor %}</tr>{% endfor %}</table></div>{% endif %}
{% for run in all %}<h2>Started{% if all|length > 1 %}: {{ run.name }}{% endif %}</h2>
<div class="wide"><table class="text"><tr><th>from step</th><th>time</th><th>ranks</th><th>machine</th><th>versions</th>
<th>commit</th></tr>
{% for start in run.starts %}<tr><td>{{ start.step }}</td><td>{{ start.time }}</td><td>{{ start.ranks }}</td>
<td>{{ start.host }}, {{ start.cpu }}, {{ start.cores }} cores, {{ start.memory_gib }} GiB
{%- for gpu in start.gpus or () %}, {{ gpu }}{% endfor %}</td><td>Python {{ start.python }}
{%- for name, version in (start.versions or {}).items() %}, {{ name }} {{ version }}{% endfor %}</td>
<td>{{ start.commit or "not a clone" }}</td></tr>{% endfor %}</table></div>
{% for line in run.changes %}<p>Changed from step {{ line.step }} on: {{ describe(line.changed) }}</p>{% endfor %}
<details><summary>Config of {{ run.name }}</summary><pre>{{ configs[run.name] }}</pre></details>{% endfor %}
</body></html>
"""
_PAGE = (
    "<title>{{ title }}</title>"
    + STYLE
    + """</head><body>
<h1>{{ title }}</h1>
"""
    + TRAINING
    + _BY_DATASET
    + _SCORES
    + _SETTINGS
)
_NUM_CARDS = 18
"""Predictions of an evaluation that are shown."""
_NUM_EXAMPLES = 3
_SHOWN_FIELDS = ("question", "caption", "answer", "prediction", "score", "type", "id")


def write_report(folders: Sequence[Path], out: Path | None = None, frames: bool = True) -> Path:
    """Write the page of run folders; returns the file, by default report.html in the first folder. frames: show those
    of predictions, as far as their datasets can be read. Raises UsageError where no step of a run is there."""
    runs = _with_names([read_run(folder) for folder in folders])
    by_name = {run.name: run.lines for run in runs}
    scores = {name: found for run in runs for name, found in _scores(run, len(runs) > 1).items()}
    page = page_template(_PAGE).render(
        title=f"Run {folders[0]}" if len(runs) == 1 else f"{len(runs)} runs",
        plots=dataset_curves(by_name) + curves(by_name),
        runs={run.name: run_facts(run.lines) for run in runs},
        all=runs,
        quarantine={run.name: _quarantine(run.quarantine) for run in runs},
        scores=scores,
        rows=list(dict.fromkeys(number for found in scores.values() for number in found)),
        answers={name: cards for run in runs for name, cards in _answers(run, len(runs) > 1, frames).items()},
        differences=_differences(runs),
        configs={run.name: _yaml(run.config) for run in runs},
        describe=describe,
    )
    out = out or folders[0] / "report.html"
    out.write_text(page, encoding="utf-8")
    return out


def _with_names(runs: Sequence[Run]) -> list[Run]:
    """Runs of one folder name get numbers."""
    counts = Counter(run.name for run in runs)
    return [
        run if counts[run.name] == 1 else replace(run, name=f"{run.name} ({number})")
        for number, run in enumerate(runs, 1)
    ]


def _scores(run: Run, several: bool) -> dict[str, dict[str, Number]]:
    prefix = f"{run.name}: " if several else ""
    found = {
        f"{prefix}{line['split']}, step {line['step']}": dict(numbers(line["metrics"]))
        for line in run.lines
        if "metrics" in line
    }
    return found | {f"{prefix}{name}": dict(numbers(made.metrics)) for name, made in run.evaluations.items()}


def _quarantine(lines: Lines) -> dict[tuple[str, str], tuple[int, list[str]]]:
    """Dataset and stage -> elements, and a few of them with their reasons."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        origin = f"{line.get('dataset', '')}/{line.get('shard', '')}:{line.get('key', '')}"
        place = str(line.get("dataset", "")), str(line.get("stage", ""))
        found.setdefault(place, []).append(f"{origin}: {str(line.get('reason', ''))[:200]}")
    return {place: (len(told), told[:_NUM_EXAMPLES]) for place, told in sorted(found.items())}


def _answers(run: Run, several: bool, frames: bool) -> dict[str, list[dict[str, Any]]]:
    """The wrong predictions first, the surest of them before others; then right ones, evenly spaced."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, evaluation in run.evaluations.items():
        cards = [_card(prediction) for prediction in evaluation.predictions]
        wrong = sorted((c for c in cards if c["verdict"] == "wrong"), key=lambda c: -c["sure"])[: _NUM_CARDS * 2 // 3]
        others = [card for card in cards if card["verdict"] != "wrong"]
        room = _NUM_CARDS - len(wrong)
        chosen = wrong + others[:: max(1, len(others) // room)][:room]
        if frames:
            images = strips(run.datasets(), [card["origin"] for card in chosen])
            chosen = [{**card, "image": images.get(card["origin"])} for card in chosen]
        if chosen:
            found[f"{run.name}: {name}" if several else name] = chosen
    return found


def _card(prediction: Mapping[str, Any]) -> dict[str, Any]:
    told = {field: prediction[field] for field in _SHOWN_FIELDS if prediction.get(field) is not None}
    scores = prediction.get("scores") or [prediction.get("score")]  # of every choice, or of the answer
    known = [float(score) for score in scores if isinstance(score, int | float)] if isinstance(scores, list) else []
    if known:
        told["score"] = f"{max(known):.4g}"
    verdict = ""
    if "answer" in told and "prediction" in told:
        verdict = "right" if prediction.get("right", told["answer"] == told["prediction"]) else "wrong"
    sure = max(known, default=0.0)
    return {
        "fields": told,
        "verdict": verdict,
        "sure": sure,
        "origin": str(prediction.get("origin", "")),
        "image": None,
    }


def _differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Settings that are not the same in all runs: path -> the value of each run."""
    if len(runs) < 2 or not all(run.config for run in runs):
        return {}
    flat = [dict(leaves(run.config)) for run in runs]
    paths = [path for path in dict.fromkeys(path for one in flat for path in one) if path not in NOT_TOLD]
    told = {path: [repr(one[path]) if path in one else "not there" for one in flat] for path in paths}
    return {path: values for path, values in told.items() if len(set(values)) > 1}


def _yaml(config: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
