"""What comes from the environment is used, and neither stored nor shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from mcg.answer import Answerer
from mcg.config import RunConfig, load_config, load_stored
from mcg.config.environment import resolve
from shards.base.errors import ConfigError
from shards.base.safe_text import one_line
from tests.mcg.small_checkpoint import run_config, write_checkpoint

ROOT = Path(__file__).resolve().parents[3]
PRETRAIN = str(ROOT / "configs/demo/pt.yaml")
SECRET = "hunter2/Zx+=9"
PATH = "data.train.blend[1].path"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCG_SECRET", SECRET)
    monkeypatch.setenv("MCG_USER", "nobody-else")
    monkeypatch.setenv("MCG_SEED", "7")
    monkeypatch.setenv("MCG_BROKEN", "[hunter2, }")
    monkeypatch.setenv("MCG_JSON", f"{{name: {SECRET!r}}}")


@pytest.mark.parametrize(
    ("overrides", "expected", "stored"),
    [
        ([f"{PATH}=${{oc.env:MCG_SECRET}}"], SECRET, "${oc.env:MCG_SECRET}"),
        ([f"{PATH}=/a/${{oc.env:MCG_SECRET}}/b"], f"/a/{SECRET}/b", "/a/${oc.env:MCG_SECRET}/b"),
        (["vars.x=${oc.env:MCG_SECRET}", f"{PATH}=${{vars.x}}"], SECRET, "${vars.x}"),
        (["vars.x=${oc.env:MCG_SECRET}", "vars.y=${vars.x}", f"{PATH}=a${{vars.y}}"], f"a{SECRET}", "a${vars.y}"),
        (["vars.n=MCG_SECRET", f"{PATH}=${{oc.env:${{vars.n}}}}"], SECRET, "${oc.env:${vars.n}}"),
        (
            [f"{PATH}=${{oc.select:vars.none,${{oc.env:MCG_SECRET}}}}"],
            SECRET,
            "${oc.select:vars.none,${oc.env:MCG_SECRET}}",
        ),
        ([f"{PATH}=${{oc.env:MCG_UNSET,other-path}}"], "other-path", "${oc.env:MCG_UNSET,other-path}"),
        (
            [f"{PATH}=https://h/a?sig=${{oc.env:MCG_SECRET}}"],
            f"https://h/a?sig={SECRET}",
            "https://h/a?sig=${oc.env:MCG_SECRET}",
        ),
        (
            [f"{PATH}=https://me:LITERAL@h/a?sig=${{oc.env:MCG_USER}}&token=LITERAL"],
            "https://me:LITERAL@h/a?sig=nobody-else&token=LITERAL",
            "https://***@h/a?sig=${oc.env:MCG_USER}&***",
        ),
        ([f"{PATH}=https://me:LITERAL@h/a?sig=LITERAL"], "https://me:LITERAL@h/a?sig=LITERAL", "https://h/a"),
        ([r"data.train.blend[1].path=/a/\${x}"], "/a/${x}", r"/a/\${x}"),
    ],
)
def test_what_names_the_environment_is_stored_as_it_was_written(
    overrides: list[str], expected: str, stored: str
) -> None:
    config = load_config(PRETRAIN, overrides)
    assert config.data.train.blend[1].path == expected
    written = json.dumps(config.stored)
    assert config.stored["data"]["train"]["blend"][1]["path"] == stored
    assert SECRET not in written and "hunter2" not in written and "LITERAL" not in written
    again = load_stored(json.loads(written), "checkpoint.json", ())
    if "://" not in expected:
        assert again == config and again.stored == config.stored


def test_numbers_and_whole_sections_may_come_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCG_OPTIM", "{lr: 0.5}")
    config = load_config(PRETRAIN, ["seed=${oc.env:MCG_SEED}", "optim=${oc.decode:${oc.env:MCG_OPTIM}}"])
    assert (config.seed, config.data.train.seed, config.optim.lr) == (7, 7, 0.5)
    assert (config.stored["seed"], config.stored["optim"]) == ("${oc.env:MCG_SEED}", "${oc.decode:${oc.env:MCG_OPTIM}}")
    monkeypatch.setenv("MCG_SEED", "8")
    assert load_stored(config.stored, "x", ()).seed == 8


@pytest.mark.parametrize(
    "overrides",
    [
        ["optim.lr=${oc.env:MCG_SECRET}"],
        ["vars.x=${oc.env:MCG_SECRET}", "optim.lr=${vars.x}"],
        ["optim.lr=a-${oc.env:MCG_SECRET}-b"],
        ["seed=${oc.decode:${oc.env:MCG_JSON}}"],
        ["optim=${oc.decode:${oc.env:MCG_JSON}}"],
        ["vars=${oc.decode:${oc.env:MCG_SECRET}}"],
        ["task.name=${oc.env:MCG_SECRET}"],
        ["data.train.blend[0].where=${oc.env:MCG_SECRET}"],
        ["data.train.blend[0].name=${oc.env:MCG_SECRET}"],
        ["data.train.blend[0].path=${oc.env:MCG_SECRET}.beton"],
        ["data.train.blend[0].path=local://${oc.env:MCG_SECRET}"],
        ["data.train.blend[0].path=s3://K:${oc.env:MCG_SECRET}@b"],
        ["data.train.mode=${oc.env:MCG_SECRET}"],
        ["engine.zero_stage=${oc.env:MCG_SECRET}"],
        ["model.vision.image_size=${oc.decode:${oc.env:MCG_BROKEN}}"],
    ],
)
def test_errors_show_the_expression(overrides: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(PRETRAIN, overrides)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert "hunter2" not in str(seen) and "hunter2" not in repr(seen.args), seen
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    # credentials go from an address with the expression in them
    assert "${" in str(caught.value) or "blend[0].path: cannot be used" in str(caught.value)


@pytest.mark.parametrize("field", ["seed", "engine.zero_stage"])
def test_short_values_are_not_shown_either(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCG_PIN", "q9")
    with pytest.raises(ConfigError, match=rf"{field}: Input should be .*, found '\$\{{oc\.env:MCG_PIN\}}'") as caught:
        load_config(PRETRAIN, [f"{field}=${{oc.env:MCG_PIN}}"])
    assert "q9" not in str(caught.value)


def test_messages_of_the_run_show_the_expression_too() -> None:
    load_config(PRETRAIN, [f"{PATH}=s3://bucket/${{oc.env:MCG_SECRET}}"])
    assert one_line(f"s3://bucket/{SECRET}/000.tar: not found") == "s3://bucket/${oc.env:MCG_SECRET}/000.tar: not found"


names = st.text("abcdefgh", min_size=1, max_size=4)
leaves = st.sampled_from(
    [
        "plain",
        "${oc.env:MCG_SECRET}",
        "x${oc.env:MCG_SECRET}y",
        "${secret}",
        "${deep.er}",
        "${oc.env:MCG_SECRET,z}",
        3,
        None,
    ]
)
trees = st.recursive(
    leaves, lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=8
)


@given(trees)
def test_no_tree_stores_the_value_and_every_tree_comes_back(tree: Any) -> None:
    whole = OmegaConf.create({"secret": "${oc.env:MCG_SECRET}", "deep": {"er": "${secret}-"}, "tree": tree})
    values, found = resolve(whole, "x")
    stored = found.to_store(values)
    assert "hunter2" not in json.dumps(stored)
    assert resolve(OmegaConf.create(json.loads(json.dumps(stored))), "x")[0] == values


def _asking(tmp_path: Path, **task: str) -> Path:
    plain = run_config(tmp_path / "run")
    stored = plain.model_dump(mode="json")
    stored["task"] |= task
    stored["data"]["train"]["blend"][0]["path"] = "https://h/a?sig=${oc.env:MCG_UNSET}"
    stored["run_dir"] = "${oc.env:MCG_UNSET}"
    return write_checkpoint(plain, config=stored)


def test_a_checkpoint_answers_where_the_variables_of_its_training_are_not_set(tmp_path: Path) -> None:
    Answerer.load(_asking(tmp_path))


def test_a_checkpoint_cannot_send_what_is_in_the_environment_away(tmp_path: Path) -> None:
    for place in ("http://127.0.0.1:9/${oc.env:MCG_SECRET}", "${oc.env:MCG_SCHEME,s3}://b/${oc.env:MCG_SECRET}"):
        run = _asking(tmp_path / place[:3], answer_list=place, answering="ranking")
        with pytest.raises(
            ConfigError, match=r"task\.answer_list: .* which a checkpoint may not; .*--config"
        ) as caught:
            Answerer.load(run)
        assert "hunter2" not in str(caught.value)


def test_a_config_made_in_python_is_stored_without_credentials(tmp_path: Path) -> None:
    blend = {"name": "a", "path": "https://me:LITERAL@h/x?sig=LITERAL", "roots": ["https://k:LITERAL@c/?t=LITERAL"]}
    config = run_config(tmp_path, data={"train": {"batch_size": 4, "blend": [blend]}})
    assert "LITERAL" not in json.dumps(config.stored)
    assert isinstance(RunConfig.model_validate(config.stored), RunConfig)
