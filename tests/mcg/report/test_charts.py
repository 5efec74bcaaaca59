"""Charts are pictures of every line, told apart without colour."""

from __future__ import annotations

import base64
import io
import itertools
from typing import Any

from PIL import Image

from mcg.report import charts as module
from mcg.report.charts import curves, dataset_curves


def _step(number: int, dataset: str = "a", **losses: float) -> dict[str, Any]:
    told = {"total": 1.0 / number, **losses, "lr": 0.1, "gradient_norm": 1.0}
    return {"step": number, "dataset": dataset, "losses": told, "data_wait_share": 0.5, "elements_per_second": 3.0}


def _pixels(png: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("L")


def test_each_run_has_its_losses_and_its_waiting() -> None:
    found = curves({"one": [_step(1), _step(2)], "two": [_step(1), {"step": 1, "metrics": {}}]})
    assert [chart.title for chart in found] == [
        "one: loss by objective",
        "one: waiting for data, % of the step",
        "two: loss by objective",
        "two: waiting for data, % of the step",
    ]
    assert all(_pixels(chart.png).size == _pixels(found[0].png).size for chart in found)


def test_all_runs_share_a_step_axis() -> None:
    losses, speed = dataset_curves({"one": [_step(1), _step(2, "b")], "two": [_step(1), _step(900)]})
    assert (losses.title, speed.title) == ("total loss by dataset", "samples per second")


def test_lines_differ_without_their_colour() -> None:
    """A second line that lies on the first is seen where it has gaps: neither alone has those pixels."""
    assert len(set(module._LOOKS)) == 24
    assert all(one[0] != other[0] for one, other in itertools.pairwise(module._LOOKS))
    steps = [_step(number) for number in range(1, 50)]
    alone, _ = dataset_curves({"x": steps})
    both, _ = dataset_curves({"x": steps, "y": steps})
    middle = (100, 100, 600, 300)  # without title and legend
    assert _pixels(alone.png).crop(middle).tobytes() != _pixels(both.png).crop(middle).tobytes()


def test_a_long_run_is_averaged_in_parts() -> None:
    points = [(step, float(step % 2)) for step in range(1_000_000)]
    parts = module._thinned(points)
    assert len(parts) == module._POINTS and {y for _, y in parts} == {0.5} and parts[0][0] == 1249.5
    assert module._thinned(points[:3]) == points[:3]


def test_names_are_no_formulas() -> None:
    assert curves({"x$\\foo$": [_step(1), _step(2)]}) and dataset_curves({"x$\\foo$": [_step(1)]})
