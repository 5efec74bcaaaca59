"""Charts are pictures of every line, told apart without colour."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image

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
    """Of two runs with the same losses the second is drawn over the first, with gaps."""
    steps = [_step(number) for number in range(1, 50)]
    one, _ = dataset_curves({"x": steps})
    two, _ = dataset_curves({"x": steps, "y": [{**step, "losses": {"total": 9.0}} for step in steps]})
    assert _pixels(one.png).tobytes() != _pixels(two.png).tobytes()


def test_a_run_of_a_million_steps_is_averaged_in_parts() -> None:
    assert curves({"long": [_step(number) for number in range(1, 20_000)]})
