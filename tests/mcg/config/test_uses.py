"""Several uses in a config: what makes no run is refused with its path, and one loader reads for all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcg.config import RunConfig, load_config, load_stored
from mcg.config.uses import check_uses, join, of_use, spread_to_uses
from shards.base import ConfigError, UsageError
from tests.mcg.small_checkpoint import TASK, run_config


def use(name: str = "gray", size: int = 4, **fields: Any) -> dict[str, Any]:
    """A use whose data is at NAME/train and NAME/val."""
    split = {
        part: {"batch_size": size, "blend": [{"name": name, "path": f"{name}/{part}"}]} for part in ("train", "val")
    }
    return {"task": TASK, "objectives": {"generation": {}}, **split, **fields}


def tree(uses: dict[str, Any], **fields: Any) -> dict[str, Any]:
    whole = run_config(Path("run")).model_dump(mode="json")
    for name in ("task", "objectives", "data"):
        del whole[name]
    return {**whole, "uses": uses, **fields}


def make(uses: dict[str, Any], **fields: Any) -> RunConfig:
    return RunConfig.model_validate(tree(uses, **fields))


def error(uses: dict[str, Any], tmp_path: Path, **fields: Any) -> str:
    """The one line that a file of these uses is refused by."""
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(tree(uses, **fields)))
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    line, *hint = str(caught.value).splitlines()
    assert all(more.startswith("  ") for more in hint)
    return line.removeprefix(f"{file}: ")


def _with(part: str, value: dict[str, Any], **fields: Any) -> dict[str, Any]:
    made = use(**fields)
    return {**made, part: {**made[part], **value}}


A, B = use("a"), use("b")


@pytest.mark.parametrize(
    ("uses", "fields", "told"),
    [
        ({}, {}, "uses: is empty; name at least one use, or write task, objectives and data"),
        ({"a": A}, {"task": TASK}, "uses and task are both given; move task into a use of its own, or leave uses out"),
        ({"a/b": A}, {}, "uses: 'a/b' is no name of a use: write a letter and up to 31 letters, digits or _"),
        ({"..": A}, {}, "uses: '..' is no name of a use"),
        ({"a" * 33: A}, {}, "is no name of a use"),
        ({"qa": A, "QA": B}, {}, "uses: QA and qa would be one folder on some disks; rename one"),
        ({"a": {**A, "weight": 0}}, {}, "uses.a.weight: Input should be greater than 0, found 0"),
        ({"a": {**A, "weight": -1}}, {}, "uses.a.weight: Input should be greater than 0, found -1"),
        (
            {"a": {**A, "weight": 2}, "b": B},
            {"sampling": "size"},
            "uses.a.weight is 2, but sampling is size; leave one",
        ),
        ({"a": {**A, "wait": 2}}, {}, "uses.a.wait: unknown field"),
        ({"a": A, "b": B}, {"best_by": "c"}, "best_by: c is no use of this run; choose from a, b"),
        ({"a": A, "b": {**B, "val": None}}, {"best_by": "b"}, "best_by: b has no val to be scored on; choose from a"),
        (
            {"a": A, "b": {**B, "task": {**TASK, "clip": {"num_frames": 3, "size": 32}}}},
            {},
            "uses.b.task.clip.num_frames is 3, but model.vision is made for 2; set both to the same",
        ),
        (
            {"a": A, "b": {**B, "objectives": {"classification": {}}}},
            {},
            "uses.b.objectives.classification needs classify: ",
        ),
        (
            {"a": _with("train", {"threads": 4}, name="a"), "b": _with("train", {"threads": 8}, name="b")},
            {},
            "uses: uses.a.train.threads is 4 and uses.b.train.threads 8, but one loader reads for all uses: say it",
        ),
        (
            {"a": _with("train", {"unit": "sample"}, name="a"), "b": B},
            {},
            "uses.a.train: batches of several uses are each of one dataset; leave unit and batches_per_turn out",
        ),
        ({"a": A, "b": use("a2")}, {}, None),
        (
            {"a": use("msrvtt"), "b": use("msrvtt_qa")},
            {},
            "uses: uses.a.train.blend[0] (msrvtt) may hold videos that uses.b.val.blend[0] (msrvtt_qa) is scored on, "
            "and has no exclude; run python -m tools leaks --train msrvtt/train --eval msrvtt_qa/val --out FOLDER",
        ),
    ],
)
def test_what_makes_no_run_is_refused_by_its_path(
    uses: dict[str, Any], fields: dict[str, Any], told: str | None, tmp_path: Path
) -> None:
    if told is None:
        make(uses, **fields)
    else:
        assert told in error(uses, tmp_path, **fields)


def test_a_run_of_neither_form_is_told_what_is_missing() -> None:
    whole = run_config(Path("run")).model_dump(mode="json")
    with pytest.raises(ValueError, match="objectives: missing, and it has no default"):
        RunConfig.model_validate({**whole, "objectives": None})


def test_leaks_are_refused_unless_lists_or_words_say_so() -> None:
    shared = {"a": use("set_a"), "b": use("set_b")}
    with pytest.raises(ValueError, match="leaks: checked where you know"):
        make(shared)
    for leaks in ("checked", "accepted"):
        make(shared, leaks=leaks)
    for one in shared.values():
        one["train"]["blend"][0]["exclude"] = ["leaks.jsonl"]
    make(shared)
    apart = {"a": use("a"), "b": use("b")}
    apart["b"]["train"]["blend"][0]["path"] = "a/val/"
    with pytest.raises(ValueError, match=r"uses\.b\.train\.blend\[0\] \(b\) may hold videos that uses\.a\.val"):
        make(apart)
    make({"a": use("set")})  # what one use does with its own data is its own


def test_every_use_is_the_run_of_it_alone() -> None:
    config = make({"a": A, "b": _with("train", {"batch_size": 8}, name="b")}, seed=5, compat="released")
    assert list(config.alone) == ["a", "b"] and config.task is None
    alone = config.of_use("b")
    assert (alone.data.train.batch_size, alone.data.train.seed, alone.data.val and alone.data.val.mode) == (
        8,
        5,
        "eval",
    )
    assert alone.task.compat == alone.objectives.compat == "released" and not alone.uses
    assert alone.optim.weight_decay == config.optim.weight_decay
    with pytest.raises(UsageError, match="several uses: say --use, choose from a, b"):
        config.of_use(None)
    with pytest.raises(UsageError, match="--use c: choose from a, b"):
        config.of_use("c")
    plain = run_config(Path("run"))
    assert plain.alone == {"": plain} and plain.of_use(None) is plain
    with pytest.raises(UsageError, match="--use a: this run has one use, leave it out"):
        plain.of_use("a")
    assert make({"only": A}).of_use(None).data.train == make({"only": A}).uses["only"].train


def test_a_stored_config_of_uses_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PLACE", "s3://bucket/data")
    uses = {"a": _with("train", {"pad_to_multiple": 32}, name="a"), "b": B}
    uses["a"]["train"]["blend"] = [{"name": "a", "path": "${oc.env:PLACE}"}]
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(tree(uses)))
    stored = load_config(file).stored
    assert stored["uses"]["a"]["train"]["blend"][0]["path"] == "${oc.env:PLACE}"
    again = load_stored(stored, "checkpoint.json", ("task", "model"))
    assert again.of_use("a").task == load_config(file).of_use("a").task
    stored["uses"]["b"]["task"]["answer_list"] = "${oc.env:PLACE}"
    with pytest.raises(ConfigError, match="takes a value of the environment into an address"):
        load_stored(stored, "checkpoint.json", ("task", "model"))


def test_one_use_leaves_its_loader_as_it_is() -> None:
    config = make({"only": _with("train", {"batch_size": 6}, weight=3)})
    joint = join({"only": config.alone["only"].data}, {"only": 3}, 4)
    assert joint.loader is config.uses["only"].train and joint.use_of == {"gray": "only"}


def test_one_loader_reads_for_all_uses() -> None:
    two = [{"name": "x", "path": "x", "weight": 3}, {"name": "y", "path": "y", "weight": 1}]
    uses = {
        "a": _with("train", {"blend": two, "batch_size": 12, "threads": 5}, name="a"),
        "b": _with("train", {"blend": [{"name": "x", "path": "elsewhere"}]}, name="b"),
    }
    config = make(uses, leaks="accepted")
    joint = join({name: own.data for name, own in config.alone.items()}, {"a": 1, "b": 0.5}, 3)
    assert joint.use_of == {"a.x": "a", "y": "a", "b.x": "b"} and joint.shares == [Fraction(3, 4), Fraction(1, 4), 1]
    blend = joint.loader.blend
    assert [(one.name, one.weight, one.batch_size) for one in blend] == [("a.x", 3, 12), ("y", 1, 12), ("b.x", 2, 4)]
    assert (joint.loader.threads, joint.loader.batches_per_turn, joint.loader.batch_size) == (5, 3, 12)


def test_paths_in_a_text_become_those_of_the_use() -> None:
    told = "data.train.blend[0]: 4 and task.clip.size, objectives.matching; engine.x of some/data.train"
    assert of_use("a", told) == (
        "uses.a.train.blend[0]: 4 and uses.a.task.clip.size, uses.a.objectives.matching; engine.x of some/data.train"
    )
    assert of_use("", told) == told


def test_what_is_no_mapping_is_left_for_the_validator() -> None:
    assert spread_to_uses({"a": 3}, lambda tree, name: tree) == {"a": 3}
    check_uses({}, "weights", None, False)


def test_a_contrastive_batch_is_for_the_uses_that_have_pairs() -> None:
    pairs = {**use("b", 4), "objectives": {"contrastive": {}}}
    engine = {"contrastive_batch": 8, "accumulation_steps": 2}
    make({"a": use("a", 6), "b": pairs}, engine=engine)
    with pytest.raises(ValueError, match=r"8 must be uses\.b\.train\.batch_size 6 times a divisor"):
        make({"a": A, "b": {**use("b", 6), "objectives": {"contrastive": {}}}}, engine=engine)
    with pytest.raises(ValueError, match=r"losses over pairs, and there is none"):
        make({"a": A, "b": B}, engine=engine)


def test_a_dataset_with_exclusion_lists_has_a_name_of_its_own() -> None:
    """Its lines name it."""
    shared = {"a": use("set"), "b": use("set")}
    for one in shared.values():
        one["train"]["blend"][0]["exclude"] = ["leaks.jsonl"]
    with pytest.raises(
        ValueError, match=r"uses\.a\.train: another use has a dataset set, too, and exclusion lists go by"
    ):
        make(shared)
