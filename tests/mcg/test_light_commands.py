"""A command loads what computes when its run starts: neither its --help nor a mistake in a config waits for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "deepspeed", "transformers", "timm", "tokenizers", "matplotlib", "torchvision", "tensorboard"}
RUN = """
import json, runpy, sys
sys.argv = sys.argv[1:]
run = runpy.run_path if sys.argv[0].endswith(".py") else runpy.run_module
try:
    run(sys.argv[0], run_name="__main__")
except SystemExit as end:
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    print(json.dumps({"code": end.code or 0, "loaded": loaded}))
"""
DEMO = "configs/demo/pt.yaml"
MISTAKE = "optim.lrr=1"


def _ended(*words: str) -> tuple[int, set[str], str]:
    """(exit code, packages that were loaded, stderr)."""
    done = subprocess.run([sys.executable, "-c", RUN, *words], cwd=ROOT, capture_output=True, text=True, timeout=250)
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["code"], set(answer["loaded"]), done.stderr


@pytest.mark.parametrize(
    "program",
    [
        "train.py",
        "mcg.answer",
        "mcg.caption",
        "mcg.caption_scores",
        "mcg.search",
        "mcg.config",
        "mcg.convert",
        "mcg.demo",
        "mcg.evaluate",
        "mcg.plan",
        "mcg.report",
        "shards",
        "tools",
    ],
)
def test_help_loads_nothing_heavy(program: str) -> None:
    code, loaded, _ = _ended(program, "--help")
    assert code == 0 and not loaded & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        ("train.py", "--config", DEMO, MISTAKE),
        ("mcg.evaluate", "--config", DEMO, "--checkpoint", "nowhere", MISTAKE),
        ("mcg.convert", "pyproject.toml", "nowhere", "--config", DEMO, MISTAKE),
        ("mcg.plan", "--gpus", "1", "--gpu", "cpu", "--config", DEMO, MISTAKE),
    ],
)
def test_a_mistake_in_a_config_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    code, loaded, said = _ended(*words)
    assert code == 2 and f"{DEMO}: optim.lrr: unknown field" in said
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "words",
    [
        ("train.py", "--config", DEMO, "vars.data=nowhere"),
        ("mcg.evaluate", "--config", DEMO, "--checkpoint", "nowhere", "--split", "val"),
        ("mcg.answer", "--checkpoint", "nowhere", "--video", "a.mp4", "--question", "why?"),
        ("mcg.caption", "--checkpoint", "nowhere", "--video", "a.mp4"),
        ("mcg.search", "--checkpoint", "nowhere", "--videos", "a", "--text", "a dog"),
        ("mcg.convert", "nowhere.pt", "nowhere"),
    ],
)
def test_what_is_not_there_is_told_before_anything_heavy_is_loaded(words: tuple[str, ...]) -> None:
    code, loaded, said = _ended(*words)
    assert code == 1 and "nowhere" in said
    assert not loaded & HEAVY
