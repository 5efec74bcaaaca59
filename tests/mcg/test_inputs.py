"""Everything that a run reads and that is not there is named at once, by the key of the config."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mcg.config import RunConfig, load_config
from mcg.inputs import InputError, check_inputs
from tests.mcg.small_checkpoint import run_config, write_checkpoint


def _config(folder: Path, **fields: Any) -> RunConfig:
    """A run on data that is there."""
    (folder / "data").mkdir(exist_ok=True)
    split = {"batch_size": 4, "blend": [{"name": "gray", "path": str(folder / "data")}]}
    return run_config(folder / "run", **{"data": {"train": split, "val": split, "test": split}, **fields})


def test_a_run_whose_inputs_are_there_is_not_held_up(tmp_path: Path) -> None:
    start = write_checkpoint(run_config(tmp_path / "start"))
    config = _config(tmp_path, init_from=str(start), init=[{"path": str(tmp_path / "data")}])
    check_inputs(config, ("train", "val", "test"), weights=True)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    def split(name: str) -> dict[str, Any]:
        blend = [{"name": "there", "path": str(tmp_path / "data")}, {"name": "gone", "path": f"gone/{name}"}]
        return {"batch_size": 4, "blend": blend}

    task = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}}
    ranking = {"answering": "ranking", "answer_list": "gone/answers.json", "metric": "wups", "wordnet": "gone/wordnet"}
    config = _config(
        tmp_path,
        data={name: split(name) for name in ("train", "val", "test")},
        task=task | ranking,
        vocabulary="gone/vocab.txt",
        init_from="gone/run",
        init=[{"path": str(tmp_path / "data")}, {"path": "gone/bert"}],
    )
    with pytest.raises(InputError) as caught:
        check_inputs(config, ("train", "val"), weights=True)
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "data.train.blend[1].path",
        "data.val.blend[1].path",
        "model.vocabulary",
        "task.answer_list",
        "task.wordnet",
        "init_from",
        "init[1].path",
    ]
    assert "gone/train is not there; build the dataset" in str(caught.value)


def test_weights_are_not_asked_for_where_a_run_goes_on(tmp_path: Path) -> None:
    check_inputs(_config(tmp_path, init_from="gone/run", init=[{"path": "gone/bert"}]), ("train",))


def test_a_list_that_is_not_read_need_not_be_there(tmp_path: Path) -> None:
    task = {"name": "open_qa", "clip": {"num_frames": 2, "size": 32}, "answer_list": "gone.json"}
    check_inputs(_config(tmp_path, task=task), ("train",))


def test_stores_are_not_asked(tmp_path: Path) -> None:
    blend = [{"name": "far", "path": "s3://bucket/set", "exclude": ["gone.jsonl"]}]
    config = _config(tmp_path, data={"train": {"batch_size": 4, "blend": blend}})
    with pytest.raises(InputError, match=r"^data\.train\.blend\[0\]\.exclude: gone\.jsonl is not there") as caught:
        check_inputs(config, ("train",))
    assert len(str(caught.value).splitlines()) == 1


def test_side_tables_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "there.parquet").touch()
    side = ["s3://bucket/a.parquet", "gone.parquet", str(tmp_path / "there.parquet")]
    for texts, missing in (("gone.parquet:caption", 1), ("lost.parquet", 2), (f"{tmp_path}/there.parquet:b", 1)):
        blend = [{"name": "far", "path": "s3://bucket/set", "side": side, "texts": texts}]
        config = _config(tmp_path, data={"train": {"batch_size": 4, "blend": blend}})
        with pytest.raises(
            InputError, match=r"blend\[0\]\.side: gone\.parquet is not there; name a side table"
        ) as caught:
            check_inputs(config, ("train",))
        assert len(str(caught.value).splitlines()) == missing
        assert ("texts: lost.parquet is not there" in str(caught.value)) == (missing == 2)


def test_a_prompter_is_asked_for_until_the_run_keeps_it(tmp_path: Path) -> None:
    config = load_config(
        "configs/alpro/pt.yaml", [f"run_dir={tmp_path}", "vars.prompter=gone/p", "vars.entities=gone/e"]
    )
    told = [
        r"objectives\.entity_prompting\.prompter: gone/p is not there; train it first \(configs/alpro/",
        r"objectives\.entity_prompting\.entities: gone/e is not there; make it \(python -m tools entities\)",
    ]
    with pytest.raises(InputError) as caught:
        check_inputs(config, ())
    assert all(map(re.match, told, str(caught.value).splitlines()))
    (tmp_path / "prompter/model").mkdir(parents=True)
    with pytest.raises(InputError, match=f"^{told[1]}"):
        check_inputs(config, ())
