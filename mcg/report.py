"""The page of a run: one HTML file with its curves, its scores and some of its answers.

    python -m mcg.report runs/ft_msrvtt_qa                  writes runs/ft_msrvtt_qa/report.html
    python -m mcg.report runs/ft_msrvtt_qa --out page.html

Shows the content of the run folder, also while the run is under way: losses and the share of time spent waiting for
data (log.jsonl), the scores of val during training, and the metrics and some predictions of every evaluation. All text
from data is escaped, and the page loads and runs nothing (shards/cli/page.py).
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mcg.engine.trackers import NO_LOSSES
from mcg.metrics import DETAILS
from shards.base import UsageError, say
from shards.cli import DEBUG_OPTION, one_line_errors, page_template, start_command

Lines = list[dict[str, Any]]
"""The lines of a JSON-lines file."""

STYLE = """<style>
p, td, th, b { unicode-bidi: isolate; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem; color: #1c2530; }
h1 { margin-bottom: 0 } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ccd5de; }
table { border-collapse: collapse; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e9ee; }
th:first-child, td:first-child { text-align: left; } img.plot { max-width: 100%; }
.wide { overflow-x: auto; } .small { color: #5b6875; font-size: 13px; }
</style>"""
TRAINING = """<h2>Training</h2>
<img class="plot" alt="loss curves and share of time waiting for data" src="data:image/png;base64,{{ plot }}">
<table><tr><th>run</th><th>steps</th><th>first loss</th><th>last loss</th><th>elements/s</th>
<th>waiting for data</th><th>taken by the loader</th><th>loader CPU, ms a step</th><th>failed samples</th></tr>
{% for name, run in runs.items() %}<tr><td>{{ name }}</td><td>{{ run.steps }}</td>
<td>{{ "%.3f"|format(run.loss_first) }}</td>
<td>{{ "%.3f"|format(run.loss_last) }}</td>
<td>{{ run.elements_per_second }}</td>
<td>{{ "%.1f"|format(100 * run.data_wait_share) }} %</td>
<td>{% if run.loader_lost_share is not none %}{{ "%.1f"|format(100 * run.loader_lost_share) }} &plusmn;
{{ "%.1f"|format(100 * run.loader_lost_error) }} %{% endif %}</td>
<td>{{ "%.0f"|format(1000 * (run.loader_cpu_seconds or 0)) }}</td><td>{{ run.failed }}</td></tr>{% endfor %}</table>
"""
"""Section of a page. plot: what `curves` gives; runs: name -> what `run_facts` gives."""
_PAGE = (
    "<title>{{ title }}</title>"
    + STYLE
    + """</head><body>
<h1>{{ title }}</h1>
"""
    + TRAINING
    + """{% if scores %}<h2>Scores</h2>
<div class="wide"><table><tr><th>number</th>{% for name in scores %}<th>{{ name }}</th>{% endfor %}</tr>
{% for number in numbers %}<tr><td>{{ number }}</td>{% for of in scores.values() %}
<td>{% if number in of %}{{ "%.4g"|format(of[number]) }}{% endif %}</td>{% endfor %}</tr>{% endfor %}
</table></div>{% endif %}
{% for name, lines in answers.items() %}<h2>Predictions: {{ name }}</h2>
<table><tr>{% for field in lines[0] %}<th>{{ field }}</th>{% endfor %}</tr>
{% for line in lines %}<tr>{% for value in line.values() %}<td>{{ value }}</td>{% endfor %}</tr>{% endfor %}</table>
{% endfor %}</body></html>
"""
)
_NUM_ANSWERS = 20
"""Predictions of an evaluation that are shown, evenly spaced."""
_SHOWN_FIELDS = ("question", "caption", "answer", "prediction", "type", "id")


def write_report(run_dir: Path, out: Path | None = None) -> Path:
    """Write the page of a run folder; returns the file. Raises UsageError where no step of a run is there."""
    log = run_dir / "log.jsonl"
    lines = read_lines(log) if log.is_file() else []
    if not any("losses" in line for line in lines):
        raise UsageError(f"{run_dir}: no step of a run is there (log.jsonl); name the run_dir of a run of train.py")
    scores = {f"val, step {line['step']}": dict(_numbers(line["metrics"])) for line in lines if "metrics" in line}
    answers = {}
    for folder in sorted(file.parent for file in (run_dir / "evaluation").rglob("metrics.json")):  # test, test/black
        name = str(folder.relative_to(run_dir / "evaluation"))
        scores[name] = dict(_numbers(json.loads((folder / "metrics.json").read_text())))
        answers[name] = _some(read_lines(folder / "predictions.jsonl"))
    page = page_template(_PAGE).render(
        title=f"Run {run_dir}",
        plot=curves({run_dir.name: lines}),
        runs={run_dir.name: run_facts(lines)},
        scores=scores,
        numbers=list(dict.fromkeys(number for found in scores.values() for number in found)),
        answers={name: found for name, found in answers.items() if found},
    )
    out = out or run_dir / "report.html"
    out.write_text(page, encoding="utf-8")
    return out


def read_lines(file: Path) -> Lines:
    """The objects of a JSON-lines file."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def run_facts(lines: Lines) -> dict[str, Any]:
    """Steps, first and last loss, speed, waiting and failures of a run, from the lines of its log.jsonl."""
    steps = [line for line in lines if "losses" in line]
    seconds = sum(line["seconds"] for line in steps)
    waiting = sum(line["seconds"] * line["data_wait_share"] for line in steps)
    return {
        "steps": len(steps),
        "loss_first": steps[0]["losses"]["total"],
        "loss_last": steps[-1]["losses"]["total"],
        "seconds_in_steps": round(seconds, 1),
        "data_wait_share": round(waiting / seconds, 4),
        "loader_lost_share": steps[-1].get("loader_lost_share"),
        "loader_lost_error": steps[-1].get("loader_lost_error"),
        "loader_cpu_seconds": round(sum(step.get("loader_cpu_seconds", 0.0) for step in steps) / len(steps), 4),
        "elements_per_second": round(sum(s["elements_per_second"] * s["seconds"] for s in steps) / seconds, 1),
        "failed": sum(line["failed"] for line in steps),
    }


def curves(runs: Mapping[str, Lines]) -> str:
    """Losses by objective and data-wait share over the steps of each run, as a PNG in base64."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2 * len(runs)), layout="constrained")
    axes = figure.subplots(len(runs), 2, squeeze=False, width_ratios=[2, 1])
    for (losses, waiting), (name, lines) in zip(axes, runs.items(), strict=True):
        steps = [line for line in lines if "losses" in line]
        numbers = [line["step"] for line in steps]
        for objective in steps[0]["losses"]:
            if objective not in NO_LOSSES:
                losses.plot(numbers, [line["losses"][objective] for line in steps], label=objective, linewidth=1)
        losses.set(title=f"{name}: loss by objective", xlabel="step", yscale="log")
        losses.legend(fontsize=8)
        waiting.plot(numbers, [100 * line["data_wait_share"] for line in steps], linewidth=1)
        waiting.set(title=f"{name}: waiting for data", xlabel="step", ylabel="% of the step", ylim=(0, 100))
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110)
    return base64.b64encode(out.getvalue()).decode()


def _numbers(metrics: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a tree by dotted path."""
    for name, value in metrics.items():
        if name in DETAILS:
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{path}{name}.")
        elif isinstance(value, int | float):
            yield f"{path}{name}", value


def _some(predictions: Lines) -> Lines:
    """Evenly spaced predictions, with the fields that all of them have and a reader wants."""
    chosen = predictions[:: max(1, len(predictions) // _NUM_ANSWERS)][:_NUM_ANSWERS]
    fields = [field for field in _SHOWN_FIELDS if chosen and all(field in prediction for prediction in chosen)]
    return [{field: prediction[field] for field in fields} for prediction in chosen] if fields else []


def main(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="The run_dir of a run of train.py.")],
    out: Annotated[Path | None, typer.Option(help="The page to write; default RUN/report.html.")] = None,
    debug: bool = DEBUG_OPTION,
) -> None:
    """Write the page of a run."""
    with one_line_errors(debug):
        say(f"{write_report(run_dir, out)}")


if __name__ == "__main__":
    start_command(main, "python -m mcg.report")
