"""Checkpoints are taken in the forms that people have; hostile and broken ones are refused, and nothing is run."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mcg.convert.reading import read_checkpoint
from mcg.convert.rules import ConvertError

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}


@pytest.mark.parametrize("wrapper", [None, "model", "model_state", "model_state_dict", "state_dict"])
@pytest.mark.parametrize("newer", [True, False])
def test_weights_are_found_where_releases_keep_them(tmp_path: Path, wrapper: str | None, newer: bool) -> None:
    file = tmp_path / "released.pth"
    content = WEIGHTS if wrapper is None else {wrapper: WEIGHTS, "epoch": 3, "config": {"lr": 1.0}}
    torch.save(content, file, _use_new_zipfile_serialization=newer)
    found = read_checkpoint(file)
    assert found.wrapper == wrapper and set(found.state) == set(WEIGHTS)
    assert torch.equal(found.state["a.weight"], WEIGHTS["a.weight"])
    assert [len(source["sha256"]) for source in found.sources()] == [64]


@pytest.mark.parametrize("newer", [True, False])
def test_settings_and_numbers_beside_the_weights_are_no_obstacle(tmp_path: Path, newer: bool) -> None:
    settings = {
        "epoch": 3,
        "args": argparse.Namespace(lr=1e-4, out=Path("/data/out"), when=datetime(2024, 1, 1)),
        "best": np.float64(0.5),
        "scores": np.arange(3.0),
        "seen": defaultdict(int, a=1),
        "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": np.float32(1)}]},
    }
    for content in ({"model": WEIGHTS, **settings}, {**WEIGHTS, **settings}):
        torch.save(content, tmp_path / "released.pth", _use_new_zipfile_serialization=newer)
        found = read_checkpoint(tmp_path / "released.pth")
        assert set(found.state) == set(WEIGHTS) and set(found.beside) == set(settings)
        assert found.beside["args"] == "an object of settings" and found.beside["epoch"] == "an int"


@pytest.mark.parametrize(
    "path",
    ["model.state_dict", "state_dict.model", "module.module", "model.model.net", "checkpoint.model", "a.b.state_dict"],
)
def test_entries_in_one_another_are_looked_into(tmp_path: Path, path: str) -> None:
    content: Any = WEIGHTS
    for name in reversed(path.split(".")):
        content = {name: content, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}}}
    torch.save(content, tmp_path / "a.pth")
    found = read_checkpoint(tmp_path / "a.pth")
    assert set(found.state) == set(WEIGHTS) and found.wrapper == path
    assert len(found.beside) == len(path.split("."))


def test_the_only_entry_with_weights_is_taken_whatever_its_name(tmp_path: Path) -> None:
    content: dict[str, Any] = {"model_ema": WEIGHTS, "epoch": 1, "optimizer": {"state": {0: {"m": torch.ones(2)}}}}
    torch.save(content, tmp_path / "a.pth")
    found = read_checkpoint(tmp_path / "a.pth")
    assert found.wrapper == "model_ema" and set(found.beside) == {"epoch", "optimizer"}
    torch.save({**content, "teacher": WEIGHTS}, tmp_path / "b.pth")
    with pytest.raises(ConvertError, match=r"holds weights under model_ema, teacher; save the one that you want"):
        read_checkpoint(tmp_path / "b.pth")


def test_a_file_is_read_by_its_bytes_whatever_its_name(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "pytorch_model.bin")
    assert set(read_checkpoint(tmp_path).state) == set(WEIGHTS)


def _write_in_two(folder: Path, whole: str) -> None:
    save = save_file if whole.endswith("safetensors") else torch.save
    stem, _, ext = whole.rpartition(".")
    names = {key: f"{stem}-0000{i}-of-00002.{ext}" for i, key in enumerate(WEIGHTS, start=1)}
    for key, name in names.items():
        save({key: WEIGHTS[key]}, folder / name)
    (folder / f"{whole}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


@pytest.mark.parametrize("whole", ["model.safetensors", "pytorch_model.bin"])
def test_weights_in_several_files_are_put_together(tmp_path: Path, whole: str) -> None:
    _write_in_two(tmp_path, whole)
    for place in (tmp_path, tmp_path / f"{whole}.index.json"):
        found = read_checkpoint(place)
        assert set(found.state) == set(WEIGHTS) and len(found.sources()) == 2 and found.file == place


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "a git-lfs pointer for 9 bytes"),
        (b"<!doctype html><title>Log in</title>", "an HTML page"),
        (b"", "an empty file"),
    ],
)
def test_an_index_that_is_something_else_is_named(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    with pytest.raises(ConvertError, match=rf"index\.json: not an index of weights: it is {kind}"):
        read_checkpoint(tmp_path)


def test_an_index_whose_files_do_not_fit_is_refused(tmp_path: Path) -> None:
    _write_in_two(tmp_path, "model.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    second = tmp_path / "model-00002-of-00002.safetensors"
    save_file({"other": torch.ones(1)}, second)
    with pytest.raises(ConvertError, match=r"b is not in model-00002-of-00002\.safetensors .*fetch them again"):
        read_checkpoint(tmp_path)
    second.unlink()
    with pytest.raises(ConvertError, match=r"names model-00002-of-00002\.safetensors, which is not beside it"):
        read_checkpoint(tmp_path)
    for hostile in ("../secret.bin", "/etc/passwd", "a/b.bin", ".."):
        index.write_text(json.dumps({"weight_map": {"a": hostile}}))
        with pytest.raises(ConvertError, match=r"which is not a file beside it"):
            read_checkpoint(tmp_path)
    for broken in ("[]", "{}", '{"weight_map": 3}', "[" * 3000):
        index.write_text(broken)
        with pytest.raises(ConvertError, match=r"not an index of weights .*fetch it again"):
            read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_hugging_face_is_read(tmp_path: Path, name: str) -> None:
    if name.endswith("bin"):
        torch.save(WEIGHTS, tmp_path / name)
    else:
        save_file(WEIGHTS, tmp_path / name)
    assert set(read_checkpoint(tmp_path).state) == set(WEIGHTS)


def test_a_view_that_claims_more_than_its_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pth"
    torch.save({"a": torch.zeros(1).expand(10**12)}, file)
    with pytest.raises(ConvertError, match=r"bomb\.pth: a claims 1000000000000 elements, the file has \d+ bytes"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    "odd",
    [
        torch.eye(3).to_sparse(),
        torch.empty(3, device="meta"),
        torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    ],
)
def test_tensors_that_cannot_be_copied_are_refused(tmp_path: Path, odd: torch.Tensor) -> None:
    torch.save({"a": odd, "b": torch.ones(2)}, tmp_path / "odd.pth")
    with pytest.raises(ConvertError, match=r"odd\.pth: a is sparse, quantized or without data; save it as a plain"):
        read_checkpoint(tmp_path / "odd.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], r"holds a list; expected weights by name"),
        ({"b": "text", "c": 3}, r"holds no weights, only b: a str, c: an int"),
        ({3: torch.ones(2)}, r"holds no weights, only 3: a Tensor"),
        ({"model": {}}, r"holds no weights"),
    ],
)
def test_what_is_no_state_dict_is_named(tmp_path: Path, content: object, message: str) -> None:
    file = tmp_path / "odd.pth"
    torch.save(content, file)
    with pytest.raises(ConvertError, match=message):
        read_checkpoint(file)


@pytest.mark.parametrize(("name", "size"), [("a.pth", 0), ("a.pth", 40), ("a.safetensors", 0), ("a.safetensors", 40)])
def test_cut_files_are_named(tmp_path: Path, name: str, size: int) -> None:
    whole, cut = tmp_path / f"whole-{name}", tmp_path / name
    if name.endswith("pth"):
        torch.save(WEIGHTS, whole)
    else:
        save_file(WEIGHTS, whole)
    cut.write_bytes(whole.read_bytes()[:size])
    with pytest.raises(ConvertError, match=rf"{name}: no"):
        read_checkpoint(cut)


def test_what_is_not_there_or_ours_already_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConvertError, match=r"no such file"):
        read_checkpoint(tmp_path / "nothing.pth")
    with pytest.raises(
        ConvertError, match=r"no weights there, it holds nothing; expected model\.safetensors or pytorch_"
    ):
        read_checkpoint(tmp_path)
    (tmp_path / "checkpoint.json").write_text("{}")
    with pytest.raises(ConvertError, match=r"a checkpoint of ours already; give it to init_from"):
        read_checkpoint(tmp_path)
