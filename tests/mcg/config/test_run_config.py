"""The config tree: every file of configs/ loads and says what it is for; what is wrong is named with its place."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

import mcg.evaluate
import train
from mcg.config import RunConfig, load_config
from mcg.objectives.config import ObjectivesConfig
from shards.base.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "configs").rglob("*.yaml"))
PRETRAIN = "configs/demo/pt.yaml"
PROGRAMS = {"train.py": train.main, "mcg.evaluate": mcg.evaluate.main}


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def _error(*overrides: str, path: str = PRETRAIN) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def _head(file: str) -> dict[str, str]:
    """name -> text of the lines `# name: text` before the first line that is no comment."""
    lines = Path(file).read_text().splitlines()
    comments = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    return {m[1]: m[2] for line in comments if (m := re.match(r"#\s*(\w+):\s+(\S.*)$", line))}


@pytest.mark.parametrize("url", ["s3://user:secret@bucket/run", "file:///tmp/run"])
def test_a_url_as_run_dir_is_refused_where_it_would_make_a_folder_of_that_name(url: str) -> None:
    told = _error(f"run_dir={url}")
    assert "run_dir: " in told and "is a URL, and a run writes into a folder: name one on a disk or" in told


def test_there_are_configs() -> None:
    assert PRETRAIN in CONFIGS


@pytest.mark.parametrize("file", CONFIGS)
def test_config_loads_as_on_the_command_line(file: str) -> None:
    config = load_config(file)
    for own in config.alone.values():
        assert own.objectives.build() and own.data.train.mode == "train"


@pytest.mark.parametrize("file", CONFIGS)
def test_head_says_command_hardware_hours_and_result(file: str) -> None:
    head = _head(file)
    assert {"command", "hardware", "hours", "result"} <= set(head), head
    assert float(head["hours"].split()[0]) > 0


@pytest.mark.parametrize("file", CONFIGS)
def test_command_in_the_head_starts_this_config(file: str) -> None:
    words = shlex.split(_head(file)["command"])
    program = next(word for word in words if word in PROGRAMS)
    arguments = words[words.index(program) + 1 :]
    assert arguments[arguments.index("--config") + 1] == file
    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(PROGRAMS[program]).parameters}
    assert {word for word in arguments if word.startswith("--")} <= known
    load_config(file, [word for word in arguments if "=" in word])


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("optim.lrr=1", "optim.lrr: unknown field\n  did you mean 'lr'?"),
        ("data.train.blend[0].wieght=3", "data.train.blend[0].wieght: unknown field\n  did you mean 'weight'?"),
        ("data.trian.threads=3", "data.trian: unknown field\n  did you mean 'train'?"),
        ("task.max_text_token=9", "task.max_text_token: unknown field\n  did you mean 'max_text_tokens'?"),
        ("task.clip.num_frame=9", "task.clip.num_frame: unknown field\n  did you mean 'num_frames'?"),
        (
            "objectives.qqq.weight=1",
            f"objectives.qqq: unknown field\n  known fields: {', '.join(sorted(ObjectivesConfig.model_fields))}",
        ),
        (
            "optim.lr=fast",
            "optim.lr: Input should be a valid number, unable to parse string as a number, found 'fast'",
        ),
        (
            "optim.groups={vision.+: {lr_facto: 1}}",
            "optim.groups['vision.+'].lr_facto: unknown field\n  did you mean 'lr_factor'?",
        ),
        (
            "optim.groups={'vision(': {}}",
            "optim.groups: 'vision(' is no regular expression (missing ), unterminated subpattern at position 6); "
            "write one, e.g. vision\\..+",
        ),
        ("engine.zero_stage=7", "engine.zero_stage: Input should be 0, 1, 2 or 3, found 7"),
        ("data.train.blend=[{name: a}]", "data.train.blend[0].path: missing, and it has no default"),
        (
            "task.name=pretrian",
            "task.name: 'pretrian' is unknown; choose one of 'pretrain', 'open_qa', 'multiple_choice', 'retrieval', "
            "'captioning'",
        ),
        ("data.val.mode=train", "data: val.mode must be eval, found 'train'; leave it out"),
        ("run_dir=${vars.nope}", "Interpolation key 'vars.nope' not found full_key: run_dir object_type=dict"),
    ],
)
def test_a_fault_is_told_in_full(override: str, text: str) -> None:
    assert _error(override) == f"{PRETRAIN}: {text}"


@pytest.mark.parametrize("word", ["oops", "--steps=3", "=3"])
def test_a_word_that_is_no_override_is_named(word: str) -> None:
    assert _error(word) == f"{word!r} is not an override; write a.b=c, e.g. optim.lr=1e-4"


@pytest.mark.parametrize(("clip", "vision"), [("num_frames", "num_frames"), ("size", "image_size")])
def test_a_clip_that_the_model_is_not_made_for_is_refused(clip: str, vision: str) -> None:
    made_for = getattr(load_config(PRETRAIN).model.vision, vision)
    expected = f"task.clip.{clip} is {made_for + 1}, but model.vision is made for {made_for}; set both to the same"
    assert _error(f"task.clip.{clip}={made_for + 1}") == f"{PRETRAIN}: {expected}"


def test_a_clip_of_evaluation_that_the_model_is_not_made_for_is_refused() -> None:
    expected = "task.evaluation_clip.num_frames is 9, but model.vision is made for 4; set both to the same"
    assert _error("task.evaluation_clip={num_frames: 9, size: 64}") == f"{PRETRAIN}: {expected}"


def test_a_split_that_the_model_cannot_be_scored_on_is_refused() -> None:
    name = "configs/lavender/pt.yaml"
    with pytest.raises(ConfigError) as caught:
        load_config(name, ["data.val.blend=[{name: webvid-val, path: data/webvid/val}]", "data.val.batch_size=4"])
    assert str(caught.value) == (
        f"{name}: data.val: task pretrain is scored by video_features: this model has no video_features, and no "
        "setting of model.name 'lavender' adds it; leave data.val out"
    )


def test_captions_that_are_not_learned_from_left_to_right_are_refused() -> None:
    file = "configs/lavender/ft_msvd_cap.yaml"
    told = _error("objectives.masked_lm.causal=false", path=file)
    assert "objectives.masked_lm.causal is false, and captions are written from left to right; set it to true" in told
    assert "data.val.blend[0].elements is 'record'" in _error("data.val.blend[0].elements=record", path=file)


def test_every_fault_has_its_line() -> None:
    lines = _error("optim.lr=fast", "data.train.batch_size=0", "engine.zero_stage=7").splitlines()
    assert [line.split(": ")[1] for line in lines] == ["data.train.batch_size", "optim.lr", "engine.zero_stage"]


def test_a_missing_file_names_the_nearest() -> None:
    assert (
        _error(path="configs/demo/ptt.yaml") == f"configs/demo/ptt.yaml: no such config file; did you mean {PRETRAIN}?"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a: [1\nb: 2", "not valid YAML"),
        (b"- 1", "expected a mapping at the top, found a list"),
        (b"", "run_dir: missing, and it has no default"),
        (b"\xff\xfe\x00\x01a: 1", "can't decode byte 0xff"),
        (b"run_dir: x\ntask: {}\n", "task.name: missing, and it has no default"),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_bytes(content)
    error = _error(path=str(file))
    assert f"{file}: " in error and text in error


def test_overrides_reach_into_lists_and_keep_interpolation() -> None:
    config = load_config(PRETRAIN, ["data.train.blend[1].weight=7", "vars.data=/d", "run_dir=${vars.data}/r", "seed=3"])
    assert [dataset.weight for dataset in config.data.train.blend][1] == 7
    assert config.run_dir == "/d/r" and config.data.train.blend[1].path.startswith("/d/")
    assert (config.seed, config.data.train.seed) == (3, 3)


def test_the_environment_is_read_where_a_config_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCG_TEST_RUNS", "/scratch")
    assert load_config(PRETRAIN, ["run_dir=${oc.env:MCG_TEST_RUNS}/a"]).run_dir == "/scratch/a"


def test_seed_and_mode_reach_the_loaders_that_do_not_set_their_own() -> None:
    config = load_config(PRETRAIN, ["seed=5", "data.val.seed=9"])
    assert config.data.val is not None
    assert (config.data.train.seed, config.data.val.seed) == (5, 9)
    assert (config.data.train.mode, config.data.val.mode) == ("train", "eval")


@pytest.mark.parametrize(
    ("objective", "missing", "told"),
    [
        (
            "matching",
            "model.matching_head=false",
            "match_logits: this model has no head for matching; set model.matching_head: true",
        ),
        (
            "classification",
            "model.num_classes=null",
            "classify: this model has no classifier; set model.num_classes to the length of the answer list",
        ),
        (
            "masked_lm",
            "model.text.token_head=none",
            "token_logits: this model has no head for masked words; set model.text.token_head to untied or tied",
        ),
        (
            "generation",
            "model.text.num_decoder_layers=0",
            "decode: this model has no decoder; set model.text.num_decoder_layers to 1 or more",
        ),
    ],
)
def test_an_objective_without_its_part_of_the_model_is_refused(objective: str, missing: str, told: str) -> None:
    error = _error(f"objectives.{objective}.weight=1", missing)
    assert error == f"{PRETRAIN}: objectives.{objective} needs {told}"
    load_config(PRETRAIN, [f"objectives.{objective}.weight=0", missing, "objectives.generation.weight=0"])


def test_a_list_of_entities_of_another_length_than_the_head_is_refused() -> None:
    file = "configs/alpro/pt.yaml"
    with pytest.raises(ConfigError, match=r"num_entities is 1000, and model\.num_entities is 500; set both"):
        load_config(file, ["model.num_entities=500"])
    with pytest.raises(ConfigError, match=r"entity_prompting needs entity_logits: .* set model\.num_entities"):
        load_config(file, ["model.num_entities=null"])


def test_a_config_survives_being_written_into_a_checkpoint() -> None:
    config = load_config(PRETRAIN)
    assert RunConfig.model_validate(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        nested = [m for field in annotation.model_fields.values() for m in _models(field.annotation)]
        return [annotation, *nested]
    parts = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return [model for part in parts for model in _models(part)]


def test_every_model_of_the_tree_forbids_unknown_fields_and_is_frozen() -> None:
    models = set(_models(RunConfig))
    assert len(models) > 12
    assert not [
        m.__name__ for m in models if m.model_config.get("extra") != "forbid" or not m.model_config.get("frozen")
    ]


def test_a_contrast_over_several_batches_needs_a_loss_over_pairs() -> None:
    size = load_config(PRETRAIN).data.train.batch_size
    given = [f"engine.contrastive_batch={2 * size}", "engine.accumulation_steps=2"]
    assert load_config(PRETRAIN, given).engine.batches_of_contrast(size) == 2
    error = _error(*given, "objectives.contrastive=null")
    assert "engine.contrastive_batch is for losses over pairs, and there is none; add objectives.contrastive" in error
    assert f"must be data.train.batch_size {size} times a divisor" in _error(given[0])


@pytest.mark.parametrize("to", ["runs/demo/pt/checkpoints", "runs/demo/../demo/pt/checkpoints/x"])
def test_copies_of_checkpoints_go_to_another_place(to: str) -> None:
    with pytest.raises(ConfigError, match=r"checkpoint\.to: .* is where the run itself saves; name another place"):
        load_config(ROOT / "configs/demo/pt.yaml", [f"checkpoint.to={to}"])
    assert load_config(ROOT / "configs/demo/pt.yaml", ["checkpoint.to=s3://b/checkpoints"]).checkpoint.to
