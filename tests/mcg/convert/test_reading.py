"""Hostile and broken files are refused with their name and the reason; nothing in them is run."""

from __future__ import annotations

import os
from pathlib import Path

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
    assert len(found.sha256()) == 64


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_hugging_face_is_read(tmp_path: Path, name: str) -> None:
    if name.endswith("bin"):
        torch.save(WEIGHTS, tmp_path / name)
    else:
        save_file(WEIGHTS, tmp_path / name)
    assert set(read_checkpoint(tmp_path).state) == set(WEIGHTS)


class _Command:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("newer", [True, False])
def test_pickled_code_is_not_run(tmp_path: Path, newer: bool) -> None:
    file, mark = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"model": WEIGHTS, "extra": _Command(mark)}, file, _use_new_zipfile_serialization=newer)
    with pytest.raises(ConvertError, match=r"evil\.pth: no file of plain weights, or it holds pickled code"):
        read_checkpoint(file)
    assert not mark.exists()


def test_a_view_that_claims_more_than_its_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pth"
    torch.save({"a": torch.zeros(1).expand(10**12)}, file)
    with pytest.raises(ConvertError, match=r"bomb\.pth: a claims 1000000000000 elements, the file has \d+ bytes"):
        read_checkpoint(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], r"holds a list; expected weights by name"),
        ({"a": torch.ones(2), "b": "text"}, r"'b' is a str; expected a tensor under each name"),
        ({3: torch.ones(2)}, r"3 is a Tensor; expected a tensor under each name"),
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
    with pytest.raises(ConvertError, match=r"no weights there; expected model\.safetensors or pytorch_model\.bin"):
        read_checkpoint(tmp_path)
    (tmp_path / "checkpoint.json").write_text("{}")
    with pytest.raises(ConvertError, match=r"a checkpoint of ours already; give it to init_from"):
        read_checkpoint(tmp_path)
