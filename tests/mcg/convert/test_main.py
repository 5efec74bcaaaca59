"""python -m mcg.convert as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner, Result

from mcg.convert.__main__ import main
from mcg.scoring.score_checkpoint import score_checkpoint
from tests.mcg.convert import layouts
from tests.mcg.convert.layouts import SMALL, draw
from tests.mcg.small_retrieval import write_captions

ROOT = Path(__file__).resolve().parents[3]
app = typer.Typer()
app.command()(main)


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(draw(layouts.alpro_qa(SMALL, classes=7)), tmp_path / "released.pt")
    return tmp_path / "released.pt"


def test_a_checkpoint_is_converted_and_its_keys_are_told(tmp_path: Path, file: Path) -> None:
    done = _run(file, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "ALPRO: " in done.stdout and "0 unexpected" in done.stdout and "classifier.0.bias" in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.safetensors",
        "checkpoint.json",
        "conversion.json",
    }
    told = json.loads(_run(file, tmp_path / "again", "--json").stdout)
    assert told["kind"] == "alpro" and len(told["keys"]) == sum(told["counts"].values())


def test_strict_unless_told_otherwise(tmp_path: Path, file: Path) -> None:
    torch.save(torch.load(file) | {"strange": torch.ones(1)}, file)
    done = _run(file, tmp_path / "out")
    assert done.exit_code == 1 and "strange is unexpected" in done.stderr and not (tmp_path / "out").exists()
    assert _run(file, tmp_path / "out", "--lenient").exit_code == 0


def test_a_config_names_the_model_and_sizes_that_do_not_fit(tmp_path: Path, file: Path) -> None:
    done = _run(file, tmp_path / "out", "--config", "configs/demo/ft_qa.yaml")
    assert done.exit_code == 1 and "released.pt: a checkpoint of width 64, and model.vision.width is 128" in done.stderr


def test_words_that_say_nothing_are_refused(tmp_path: Path, file: Path) -> None:
    assert "--kind 'bret': choose auto or one of mcg," in _run(file, tmp_path / "out", "--kind", "bret").stderr
    assert "overrides need --config" in _run(file, tmp_path / "out", "a.b=c").stderr
    assert "known names: " in _run("nope", tmp_path / "out").stderr


def test_a_released_checkpoint_is_scored_without_training(tmp_path: Path, device: torch.device) -> None:
    """As the heads of configs/alpro/zs_*.yaml say, in small."""
    torch.save(draw(layouts.alpro_pretrain(SMALL, entities=3)), tmp_path / "alpro_pretrained_ckpt.pt")
    write_captions(tmp_path / "gray")
    sizes = {
        "model.vision": "{image_size: 32, num_frames: 2, width: 64, depth: 2, num_heads: 1}",
        **{f"model.text.{name}": 1 for name in ("num_fusion_layers", "num_heads")},
        **{"model.text.num_layers": 2, "model.text.width": 64, "model.text.max_positions": 24},
        **{"model.contrastive_width": 8, "model.num_entities": 3, "task.max_text_tokens": 20},
        **{"task.clip.size": 32, "task.clip.num_frames": 2, "run_dir": tmp_path / "run"},
        "data.test.blend": f"[{{name: gray, path: {tmp_path / 'gray'}, elements: sample}}]",
    }
    overrides = [f"{name}={value}" for name, value in sizes.items()]
    config = ROOT / "configs/alpro/zs_msrvtt_ret.yaml"
    done = _run(tmp_path / "alpro_pretrained_ckpt.pt", tmp_path / "alpro", "--config", config, *overrides)
    assert done.exit_code == 0, done.output
    score_checkpoint(config, tmp_path / "alpro", "test", overrides=overrides)
    scores = json.loads((tmp_path / "run/evaluation/test/metrics.json").read_text())
    assert (scores["ranking"], scores["pairs_fused"], scores["text_to_video"]["queries"]) == ("matching", 70, 10)
    assert len((tmp_path / "run/evaluation/test/submission.csv").read_text().splitlines()) == 1 + 10 * 7
