"""`python -m mcg.config` lists, shows and checks configs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from mcg.config import load_config
from mcg.config.__main__ import app

ROOT = Path(__file__).resolve().parents[3]
PT = "configs/demo/pt.yaml"


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def test_ls_tells_what_each_config_is_for() -> None:
    done = run("ls")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert len(lines) == len(list(Path("configs").rglob("*.yaml")))
    assert any(line.split("  ", 1) == ["configs/pt.yaml", line.split("  ", 1)[1]] for line in lines)
    assert any("pre-train a small MCG on captions of moving shapes" in line for line in lines)


def test_ls_of_a_folder_without_configs_says_so(tmp_path: Path) -> None:
    done = run("ls", str(tmp_path))
    assert done.exit_code == 2 and f"{tmp_path}: no config (*.yaml) there" in done.stderr


def test_what_is_shown_is_a_config_of_the_same_run(tmp_path: Path) -> None:
    done = run("show", PT, "optim.lr=2e-4", "engine.zero_stage=2")
    assert done.exit_code == 0
    (tmp_path / "shown.yaml").write_text(done.stdout)
    shown = load_config(tmp_path / "shown.yaml")
    assert shown == load_config(PT, ["optim.lr=2e-4", "engine.zero_stage=2"])
    assert "hang_seconds: 180.0" in done.stdout, "also what is left at its default"


def test_a_section_can_be_shown_alone_and_as_json() -> None:
    done = run("show", PT, "--only", "engine", "--json")
    assert json.loads(done.stdout) == load_config(PT).engine.model_dump(mode="json")
    done = run("show", PT, "--only", "data.train")
    assert yaml.safe_load(done.stdout)["batch_size"] == load_config(PT).data.train.batch_size
    done = run("show", PT, "--only", "data.trein")
    assert done.exit_code == 2 and "no 'trein' there; there is train, val, test" in done.stderr


def test_values_of_the_environment_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "s3://bucket/with-a-secret")
    done = run("show", PT, "vars.data=${oc.env:PLACE}")
    assert done.exit_code == 0 and "a-secret" not in done.stdout and "${oc.env:PLACE}" in done.stdout


def test_validate_tells_every_fault_of_every_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    engine = "engine: {zero_stage: 7, presicion: bf16}\n"
    broken.write_text(re.sub(r"^engine:.*\n(?: .*\n)*", engine, Path(PT).read_text(), flags=re.MULTILINE))
    done = run("validate", PT, str(broken), str(tmp_path / "nowhere.yaml"))
    assert done.exit_code == 2 and f"{PT}: fine" in done.stdout and "Traceback" not in done.stderr
    for told in ("engine.zero_stage", "engine.presicion", "nowhere.yaml: no such config file"):
        assert told in done.stderr


def test_validate_looks_for_the_inputs_only_when_asked() -> None:
    assert run("validate", PT, "configs/pt.yaml").exit_code == 0
    done = run("validate", "--inputs", "configs/pt.yaml")
    assert done.exit_code == 2 and "data.train.blend[0].path: " in done.stderr and "is not there" in done.stderr
